"""What is the fault of a single row, form or list, and what of the whole server: the first holds nothing else up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from cases.source_problems import SourceFilesUnread, SourceFormUnread, SourceListUnread, SourcePartUnread
from namjai.problems import Problem
from sync.source import (
    RemoteForm,
    RemoteList,
    SourceElsewhere,
    SourceFileElsewhere,
    SourceForbidden,
    SourceNotThere,
    SourceProblem,
    SourceSignIn,
    SourceSlow,
    SourceUnreachable,
)
from sync.work import Work

# After so many failures in a row the server is asked whether it is well; after so many its part is given up for now.
_ASK, _ENOUGH = 8, 24
# After so many parts in a row that answer too slowly, it is asked, too.
_PARTS = 3
_ALL_OF_IT = (SourceSignIn, SourceElsewhere, SourceUnreachable)


@dataclass(frozen=True, slots=True)
class Part:
    """What is read of a source by itself: its address there, and its name for people. `waiting`: what could not be had
    in earlier runs is counted apart."""

    unread: type[SourcePartUnread]
    remote: str = ""
    name: str = ""
    waiting: bool = False


FILES = Part(SourceFilesUnread)


def of_a_form(form: RemoteForm, *, waiting: bool = False) -> Part:
    return Part(SourceFormUnread, form.remote, form.title, waiting)


def of_a_list(one: RemoteList) -> Part:
    return Part(SourceListUnread, one.name, one.name)


class Tried(Protocol):
    """What was asked for one row. `problem` None: it came."""

    @property
    def problem(self) -> Problem | None: ...


T = TypeVar("T", bound=Tried)


def patient(work: Work, part: Part, results: Iterator[T]) -> Iterator[T]:
    """The results of one part of the source, as long as it is single ones that cannot be had.

    When many in a row cannot, in however many calls, that is noted as a problem of the part, and the server is asked
    whether it is well. Raises what it says to that, or the last problem of very many in a row.
    """
    for one in results:
        if isinstance(one.problem, SourceFileElsewhere):
            # That lasts, and is nobody's fault: it is said once.
            if not any(isinstance(said, SourceFileElsewhere) for said in work.problems):
                work.problems.append(one.problem)
            yield one
            continue
        work.in_a_row[part] = work.in_a_row[part] + 1 if one.problem else 0
        yield one
        failed = work.in_a_row[part]
        if one.problem and failed >= _ASK:
            if failed >= _ENOUGH:
                raise one.problem
            if failed % _ASK == 0:
                work.source.check()
                note(work, part, one.problem)


def apart(work: Work, part: Part, do: Callable[..., Any], *given: Any) -> bool:
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
        if isinstance(problem, SourceSlow) and work.failed_parts % _PARTS == 0:
            work.source.check()
        note(work, part, problem)
    else:
        work.failed_parts = 0
        return True
    return False


def note(work: Work, part: Part, problem: Problem) -> None:
    """Once for each part, whatever else of it cannot be had."""
    said = part.unread(name=work.name, part=part.name, reason=problem.code)
    if not any(isinstance(one, part.unread) and one.facts["part"] == part.name for one in work.problems):
        work.problems.append(said)
