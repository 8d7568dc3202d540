"""What is the fault of a single row, form or list, and what of the whole server: the first holds nothing else up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from namjai.problems import Problem
from sync.source import (
    SourceElsewhere,
    SourceForbidden,
    SourceNotThere,
    SourcePartUnread,
    SourceProblem,
    SourceSignIn,
    SourceSlow,
    SourceUnreachable,
)
from sync.work import Work

# After so many failures in a row the server is asked whether it is well; after so many that is no answer any more.
_ASK, _ENOUGH = 8, 64
# So many parts in a row that answer too slowly are a server that is too slow.
_PARTS = 3
_ALL_OF_IT = (SourceSignIn, SourceElsewhere, SourceUnreachable)


class Tried(Protocol):
    """What was asked for one row. `problem` None: it came."""

    @property
    def problem(self) -> Problem | None: ...


T = TypeVar("T", bound=Tried)


def patient(work: Work, part: str, results: Iterator[T]) -> Iterator[T]:
    """The results of one part of the source, as long as it is single ones that cannot be had.

    When many in a row cannot, that is noted as a problem of the part, and the server is asked whether it is well.
    Raises what it says to that, or the last problem of very many in a row.
    """
    failed = 0
    for one in results:
        failed = failed + 1 if one.problem else 0
        yield one
        if failed and failed % _ASK == 0 and one.problem:
            if failed >= _ENOUGH:
                raise one.problem
            work.source.check()
            _note(work, part, one.problem)


def apart(work: Work, part: str, do: Callable[..., Any], *given: Any) -> bool:
    """`do(work, *given)` for one part of the source, and whether it went well. What speaks of this part alone is noted
    as a problem, so that the others go on. Raises SourceProblem for all of the source."""
    try:
        do(work, *given)
    except _ALL_OF_IT:
        raise
    except (SourceForbidden, SourceNotThere) as problem:
        work.problems.append(problem)
    except SourceProblem as problem:
        work.failed_parts, work.part_failed = work.failed_parts + 1, problem
        if isinstance(problem, SourceSlow) and work.failed_parts >= _PARTS:
            raise
        _note(work, part, problem)
    else:
        work.failed_parts = 0
        return True
    return False


def _note(work: Work, part: str, problem: Problem) -> None:
    """Once for each part, whatever else of it cannot be had."""
    said = SourcePartUnread(name=work.name, part=part, reason=problem.code)
    if not any(one.code == said.code and one.facts == said.facts for one in work.problems):
        work.problems.append(said)
