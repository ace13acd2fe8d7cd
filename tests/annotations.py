"""The library's annotations, held against every call that the tests make: a wrong argument or result is a warning, so an error.

Every function is decorated as it is imported, innermost, so that what JAX compiles is checked as it is traced, and beartype writes its check when
it is first called: for all functions at once, that takes as long as their import. Beartype's own import hook would check named tuples too, which
JAX fills with whatever stands for an array; jaxtyping's takes a quarter of the tests' time.
"""

import ast
import functools
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from beartype import BeartypeConf, beartype


class WrongType(UserWarning):
    """A value that is not what an annotation says; ignored where a test gives wrong input on purpose."""


_beartype = beartype(conf=BeartypeConf(violation_type=WrongType))


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` with its annotations checked in every call, from the first on."""
    check = functools.cache(lambda: _beartype(function))

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return check()(*args, **kwargs)

    return call


_IMPORT = f"from {__name__} import checked as checked_by_beartype"


def _decorate(node: ast.AST) -> None:
    """Give every function with an annotation in the statements below one decorator more; expressions hold none and are not walked."""
    if isinstance(node, ast.FunctionDef):
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        if node.returns or any(each and each.annotation for each in arguments):
            node.decorator_list.append(ast.copy_location(ast.Name("checked_by_beartype", ast.Load()), node))
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for each in getattr(node, field, ()):
            _decorate(each)


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(self.get_data(self.path), self.path)
        _decorate(tree)
        starts = [isinstance(node, ast.Expr) or getattr(node, "module", "") == "__future__" for node in tree.body]
        tree.body.insert(starts.index(False) if False in starts else len(starts), ast.parse(_IMPORT).body[0])
        return compile(tree, self.path, "exec")


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        found: Any = PathFinder.find_spec(name, path, target) if name.split(".")[0] == "vgtheory" else None
        if found is not None and isinstance(found.loader, SourceFileLoader):
            found.loader = _Loader(found.loader.name, found.loader.path)
        return found


def hold() -> None:
    """Check the annotations of all of the library that is imported from now on."""
    assert "vgtheory" not in sys.modules
    sys.meta_path.insert(0, _Finder())
