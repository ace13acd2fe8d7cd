"""Every public name of a room, whichever of its wings it is in."""

import inspect
from types import ModuleType
from typing import Any


def wings(room: ModuleType) -> dict[str, ModuleType]:
    """Return the public wings of a room by name."""
    return {name: getattr(room, name) for name in room.__all__ if inspect.ismodule(getattr(room, name))}


def public(room: ModuleType) -> dict[str, Any]:
    """Return what a room and its wings offer, by name."""
    found: dict[str, Any] = {}
    for place in (*wings(room).values(), room):
        for name in place.__all__:
            value = getattr(place, name)
            if not inspect.ismodule(value):
                assert found.setdefault(name, value) is value, name
    return found


def path_of(room: ModuleType, name: str) -> str:
    """Return where a user finds a name: the room, or the wing."""
    if name in room.__all__:
        return f"{room.__name__}.{name}"
    return next(f"{wing.__name__}.{name}" for wing in wings(room).values() if name in wing.__all__)
