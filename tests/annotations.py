"""The library's annotations, held against every call that the tests make: a wrong argument or result is a warning, so an error.

Every function is decorated with beartype as it is imported, innermost, so that what JAX compiles is checked as it is traced. Beartype's own
import hook would check named tuples too, which JAX fills with whatever stands for an array; jaxtyping's takes a quarter of the tests' time.
"""

import ast
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from beartype import BeartypeConf, beartype


class WrongType(UserWarning):
    """A value that is not what an annotation says; ignored where a test gives wrong input on purpose."""


checked = beartype(conf=BeartypeConf(violation_type=WrongType))
_IMPORT = f"from {__name__} import checked as checked_by_beartype"


class _Decorated(ast.NodeTransformer):
    """Every function with an annotation gets one decorator more."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        if node.returns or any(each and each.annotation for each in arguments):
            node.decorator_list.append(ast.Name("checked_by_beartype", ast.Load()))
        return node


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(self.get_data(self.path), self.path)
        starts = [isinstance(node, ast.Expr) or getattr(node, "module", "") == "__future__" for node in tree.body]
        tree.body.insert(starts.index(False) if False in starts else len(starts), ast.parse(_IMPORT).body[0])
        return compile(ast.fix_missing_locations(_Decorated().visit(tree)), self.path, "exec")


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
