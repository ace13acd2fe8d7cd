"""What a result file holds: labelled arrays and the record of where they came from; and the checks that its content is what its name says."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FORMAT = 1
FIELDS = {"experiment": str, "config": dict, "versions": dict, "device": str, "seconds": int | float}
"""What a record must have, and of which type."""
LATER = {"rows": int, "columns": dict}
"""What a record may have, and of which type: older results lack these."""
_RECORD = b"vgtheory"


class ResultError(ValueError):
    """A result file that cannot be used, in one sentence."""


class Opened(NamedTuple):
    """A result file, of which little but its footer has been read, and its record."""

    file: pq.ParquetFile
    facts: dict[str, Any]


def stem_of(name: str, config: dict[str, Any]) -> str:
    """Name of the file of an experiment's cell: a hash of its configuration as JSON with sorted keys."""
    text = json.dumps({"experiment": name, "config": config}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _kinds(schema: pa.Schema) -> dict[str, str]:
    return {field.name: str(field.type) for field in schema}


def _real(schema: pa.Schema) -> list[str]:
    """Columns whose numbers may be NaN."""
    return [field.name for field in schema if pa.types.is_float32(field.type) or pa.types.is_float64(field.type)]


def _is_nan(column: pa.ChunkedArray) -> bool:
    return bool(pc.all(pc.is_nan(column), min_count=0).as_py())


def sealed(arrays: dict[str, Any], facts: dict[str, Any]) -> bytes:
    """Labelled arrays (scalars are repeated) with their record, as the content of a Parquet file."""
    length = max((np.size(values) for values in arrays.values() if np.ndim(values)), default=1)
    columns = {label: np.broadcast_to(np.asarray(values), (length,)) for label, values in arrays.items()}
    table = pa.table({label: pa.array(values) for label, values in columns.items()})
    if not length:
        raise ResultError("save: expected at least one row, got rows=0.")
    if (real := _real(table.schema)) and all(_is_nan(table[name]) for name in real):
        raise ResultError("save: expected a number other than NaN, got only NaN.")
    facts = facts | {"rows": length, "columns": _kinds(table.schema)}
    table = table.replace_schema_metadata({_RECORD: json.dumps(facts, sort_keys=True).encode()})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue().to_pybytes()


def _refusal(path: Path, expected: str, got: str = "") -> ResultError:
    where = f"{got} in {str(path)!r}" if got else f"path={str(path)!r}"
    return ResultError(f"load: expected {expected}, got {where}. Delete it and run the experiment again.")


def _record_of(file: pq.ParquetFile, path: Path) -> dict[str, Any]:
    """The record, once it is known to be one."""
    try:
        facts = json.loads((file.schema_arrow.metadata or {}).get(_RECORD, b"{}"))
    except ValueError as error:
        raise _refusal(path, "a record in JSON") from error
    found = facts.get("format") if isinstance(facts, dict) else None
    if found != FORMAT:
        raise _refusal(path, f"a result of format {FORMAT}", f"format={found!r}")
    for field, kind in (FIELDS | {field: kind for field, kind in LATER.items() if field in facts}).items():
        if not isinstance(facts.get(field), kind):
            raise _refusal(path, f"a record with its {field}", f"{field}={facts.get(field)!r}")
    return facts


def _check(file: pq.ParquetFile, facts: dict[str, Any], path: Path) -> None:
    """Whether it is the result that its name says, with all that was written."""
    stem = stem_of(facts["experiment"], facts["config"])
    if stem != path.stem:
        raise _refusal(path, "the configuration that the file is named for", f"that of {stem!r}")
    rows, columns = file.metadata.num_rows, _kinds(file.schema_arrow)
    if rows != facts.get("rows", rows) or not rows:
        raise _refusal(path, f"{facts.get('rows') or 'at least one'} rows", f"rows={rows}")
    if columns != (written := facts.get("columns", columns)):
        odd = next(name for name in [*written, *columns] if written.get(name) != columns.get(name))
        raise _refusal(path, f"{written.get(odd, 'no')} column {odd!r}", str(columns.get(odd, "none")))
    real = _real(file.schema_arrow)
    # Column by column, for most often the first has a number.
    if real and all(_is_nan(file.read([name], use_threads=False)[0]) for name in real):
        raise _refusal(path, "a number other than NaN", "only NaN")


def opened(path: Path) -> Opened:
    """A result file, seen to be what its name says; ``ResultError`` if it is torn, foreign, of another version, or another's."""
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        facts = _record_of(file, path)
        _check(file, facts, path)
    except ResultError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _refusal(path, "a whole Parquet file") from error
    return Opened(file, facts)


def load_cell(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """One result file: its columns and its record; ``ResultError`` as ``opened``, or if its columns are torn."""
    file, facts = opened(path)
    try:
        table = file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _refusal(path, "a whole Parquet file") from error
    if table.num_rows != file.metadata.num_rows:
        raise _refusal(path, f"{file.metadata.num_rows} rows", f"rows={table.num_rows}")
    return table.replace_schema_metadata(None).to_pandas(), facts


def flaws(paths: Iterable[Path]) -> Iterator[tuple[Path, ResultError]]:
    """Files that cannot be used, and why; one whose record has no list of columns is held against the others in its folder."""
    columns: dict[Path, frozenset[str]] = {}
    unlisted = []
    for path in paths:
        try:
            file, facts = opened(path)
        except ResultError as error:
            yield path, error
            continue
        columns[path] = frozenset(file.schema_arrow.names)
        if "columns" not in facts:
            unlisted.append(path)
    counts = Counter((path.parent, names) for path, names in columns.items())
    for path in unlisted:
        own = columns[path]
        more = [names for folder, names in counts if folder == path.parent and own < names and len(names - own) == 1]
        if more and counts[path.parent, own] == 1:
            (lost,) = more[0] - own
            yield path, _refusal(path, "the columns of the experiment's other results", f"no column {lost!r}")
