"""Linear and mixed-integer programs for HiGHS (highspy).

A program that stops does so by its numbers of nodes and iterations, never by a clock: the same
program has the same answer in every process.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

INFINITY = highspy.kHighsInf
Numbers = NDArray[np.float64]

OPTIONS = {"output_flag": False, "threads": 1, "random_seed": 0}

# A dual or an objective that differs from a whole number by less is that number.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Answer:
    """What came out: values of columns, duals of rows (of a linear program), objective, bound."""

    values: Numbers
    duals: Numbers
    objective: float
    bound: float


@dataclass
class Program:
    """A minimisation that is put together column by column."""

    row_lower: list[float] = field(default_factory=list)
    row_upper: list[float] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    integer: list[bool] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])
    index: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def row(self, lower: float, upper: float) -> int:
        """Add a row; its number."""
        self.row_lower.append(lower)
        self.row_upper.append(upper)
        return len(self.row_lower) - 1

    def column(
        self,
        entries: Iterable[tuple[int, float]],
        *,
        cost: float = 0.0,
        upper: float = INFINITY,
        integer: bool = False,
    ) -> int:
        """Add a column from 0 to `upper` with (row, coefficient) `entries`; its number."""
        for row, coefficient in entries:
            self.index.append(row)
            self.value.append(coefficient)
        self.starts.append(len(self.index))
        self.cost.append(cost)
        self.lower.append(0.0)
        self.upper.append(upper)
        self.integer.append(integer)
        return len(self.cost) - 1


class Solver:
    """One program in HiGHS: solved, bounds changed, solved again from where it was."""

    def __init__(self, program: Program, *, relaxed: bool = False, **options: float | str) -> None:
        self._highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        for name, value in {**OPTIONS, **options}.items():
            self._highs.setOptionValue(name, value)
        self._is_integer = any(program.integer) and not relaxed
        self._highs.passModel(_model(program, self._is_integer))

    def bound(self, columns: NDArray[np.int_], lower: Numbers, upper: Numbers) -> None:
        """Let each column have values in these bounds only."""
        self._highs.changeColsBounds(
            len(columns),
            columns.astype(np.int32),
            lower.astype(float),
            upper.astype(float),
        )

    def row(self, lower: float, upper: float, coefficients: Numbers) -> None:
        """Add a row, with the coefficients of the first columns."""
        at = np.flatnonzero(np.abs(coefficients) > TOLERANCE)
        self._highs.addRow(lower, upper, len(at), at.astype(np.int32), coefficients[at])

    def solve(self) -> Answer | None:
        """The best found within the limits; nothing when there is none."""
        self._highs.run()
        if self._is_integer and not self._is_feasible():
            # Presolve of HiGHS 1.16 makes some small programs infeasible that are not.
            self._highs.setOptionValue("presolve", "off")
            self._highs.run()
        if not self._is_feasible():
            return None
        info = self._highs.getInfo()
        solution = self._highs.getSolution()
        objective = info.objective_function_value
        return Answer(
            np.array(solution.col_value),
            np.array(solution.row_dual),
            objective,
            info.mip_dual_bound if self._is_integer else objective,
        )

    def _is_feasible(self) -> bool:
        status: int = self._highs.getInfo().primal_solution_status
        return status == highspy.SolutionStatus.kSolutionStatusFeasible.value


def _model(program: Program, is_integer: bool) -> Any:
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(program.cost), len(program.row_lower)
    model.col_cost_ = np.array(program.cost)
    model.col_lower_, model.col_upper_ = np.array(program.lower), np.array(program.upper)
    model.row_lower_, model.row_upper_ = np.array(program.row_lower), np.array(program.row_upper)
    matrix = model.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kColwise
    matrix.start_, matrix.index_ = np.array(program.starts), np.array(program.index)
    matrix.value_ = np.array(program.value)
    if is_integer:
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        model.integrality_ = [kinds[integer] for integer in program.integer]
    return model
