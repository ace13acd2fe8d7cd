"""Operations put in an order in which those of one layer follow each other."""

import heapq

from vgtheory.diagnose.program.listing import Op


def contiguous(ops: list[Op], groups: list[frozenset[int]]) -> tuple[list[Op], list[tuple[int, int]]]:
    """Operations in an order that keeps groups together, and the place and end of each group.

    No path may leave a group and come back to it. Otherwise the order stays as near as it can to
    the given one.
    """
    node = {place: len(ops) + n for n, group in enumerate(groups) for place in group}
    of = [node.get(place, place) for place in range(len(ops))]
    makers = {var: i for i, op in enumerate(ops) for var in op.makes}
    above: dict[int, set[int]] = {}
    waits: dict[int, int] = dict.fromkeys(of, 0)
    for i, op in enumerate(ops):
        for var in op.variables:
            if var in makers and of[makers[var]] != of[i] and of[i] not in above.setdefault(of[makers[var]], set()):
                above[of[makers[var]]].add(of[i])
                waits[of[i]] += 1
    rank = {n: n for n in range(len(ops))} | {len(ops) + n: max(group) for n, group in enumerate(groups)}
    ready = [(rank[n], n) for n, left in waits.items() if left == 0]
    heapq.heapify(ready)
    ordered, spans = list[Op](), dict[int, tuple[int, int]]()
    while ready:
        _, n = heapq.heappop(ready)
        if n >= len(ops):
            places = sorted(groups[n - len(ops)])
            spans[n - len(ops)] = (len(ordered), len(ordered) + len(places))
            ordered += [ops[place] for place in places]
        else:
            ordered.append(ops[n])
        for later in above.get(n, ()):
            waits[later] -= 1
            if waits[later] == 0:
                heapq.heappush(ready, (rank[later], later))
    if len(ordered) != len(ops):
        raise ValueError("contiguous: expected groups that no path leaves and enters again.")
    return ordered, [spans[n] for n in range(len(groups))]
