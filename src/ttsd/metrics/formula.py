"""Small formulas over the figures of an evaluation, such as `wer.delta.lo > 0.02 and n >= 100`.

Names, numbers (`2%` is 0.02), `+ - * /`, comparisons, `and`, `or`, `not` and parentheses; nothing else is read, and
nothing is executed.
"""

import ast
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from ttsd.errors import FigureError, UsageError

Figures = Mapping[str, float | None]
"""By dotted name; none where a figure could not be measured."""

_ARITHMETIC: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
_COMPARISONS: dict[type, Callable[[float, float], bool]] = {
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


class Formula:
    """A formula that was read and can be worked out for any figures.

    Args:
        text: The formula.
        is_condition: Whether it has to be true or false, rather than a number.

    Raises:
        UsageError: It is no formula, or not of that kind.
    """

    def __init__(self, text: str, *, is_condition: bool) -> None:
        self.text = text
        try:
            self._tree = ast.parse(_PERCENT.sub(lambda match: f"({match[1]}/100)", text.strip()), mode="eval").body
        except (SyntaxError, ValueError):
            raise UsageError(f"{text!r} is no formula; write one such as 'wer.delta.lo > 0.02'") from None
        if self._check(self._tree) != is_condition:
            kind = "a comparison, such as 'wer.delta.lo > 0.02'" if is_condition else "a number, such as 'wer.delta'"
            raise UsageError(f"{text!r}: is to be {kind}")

    def check_names(self, known: Iterable[str]) -> None:
        """See that every name stands for a figure.

        Raises:
            FigureError: One does not.
        """
        figures = dict.fromkeys(known, 1.0)
        for name in _list_names(self._tree):
            self._look_up(name, figures)

    def holds(self, figures: Figures) -> bool:
        """Tell whether a condition is true.

        Raises:
            FigureError: A name is unknown, or its figure could not be measured.
        """
        return bool(self._work_out(self._tree, figures))

    def compute(self, figures: Figures) -> float:
        """Return the value of a formula.

        Raises:
            FigureError: A name is unknown, its figure could not be measured, or something is divided by zero.
        """
        return float(self._work_out(self._tree, figures))

    def _check(self, node: ast.AST) -> bool:
        """Return whether a part is true or false (or a number), and refuse what is neither."""
        match node:
            case ast.BoolOp(values=values):
                return self._expect(values, True)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._expect([operand], True)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                return not self._expect([operand], False)
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARISONS for op in ops):
                self._expect([left, *others], False)
                return True
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return not self._expect([left, right], False)
            case ast.Constant(value=bool() | str() | bytes() | complex()):
                pass
            case ast.Constant(value=int() | float()):
                return False
            case ast.Name() | ast.Attribute() if _find_name(node):
                return False
        raise UsageError(
            f"{self.text!r}: {ast.unparse(node)!r} cannot be read; names, numbers, + - * /, < >, and, or, not"
        )

    def _expect(self, nodes: list[ast.expr], is_condition: bool) -> bool:
        for node in nodes:
            if self._check(node) != is_condition:
                wanted = "a comparison" if is_condition else "a number"
                raise UsageError(f"{self.text!r}: {ast.unparse(node)!r} is to be {wanted}")
        return True

    def _work_out(self, node: ast.AST, figures: Figures) -> float:
        match node:
            case ast.BoolOp(op=op, values=values):
                # All of them, so that an unknown name is found whatever stands before it.
                results = [bool(self._work_out(value, figures)) for value in values]
                return all(results) if isinstance(op, ast.And) else any(results)
            case ast.UnaryOp(op=op, operand=operand):
                value = self._work_out(operand, figures)
                return not value if isinstance(op, ast.Not) else -value if isinstance(op, ast.USub) else value
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [self._work_out(part, figures) for part in (left, *others)]
                pairs = zip(ops, sides, sides[1:], strict=False)
                return all(_COMPARISONS[type(op)](one, two) for op, one, two in pairs)
            case ast.BinOp(left=left, op=op, right=right):
                try:
                    return _ARITHMETIC[type(op)](self._work_out(left, figures), self._work_out(right, figures))
                except ZeroDivisionError:
                    raise FigureError(f"{self.text!r}: {ast.unparse(right)!r} is 0") from None
            case ast.Constant(value=value):
                return float(value)
        return self._look_up(_find_name(node), figures)

    def _look_up(self, name: str, figures: Figures) -> float:
        if name not in figures:
            import difflib

            near = difflib.get_close_matches(name, figures, n=1)
            hint = f"; is {near[0]!r} meant?" if near else "; docs/evaluation.md names them all"
            raise FigureError(f"{self.text!r}: there is no figure {name!r}{hint}")
        value = figures[name]
        if value is None:
            raise FigureError(f"{self.text!r}: {name!r} could not be measured")
        return value


def _list_names(node: ast.AST) -> Iterator[str]:
    if name := _find_name(node):
        yield name
        return
    for part in ast.iter_child_nodes(node):
        yield from _list_names(part)


def _find_name(node: ast.AST) -> str:
    """Return a dotted name, or the empty text where the node is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (start := _find_name(node.value)):
        return f"{start}.{node.attr}"
    return ""
