"""The steps of a policy as they stand in the browser: any number of them, read by hand.

Every step has a key that stays with it while it is dragged, moved and redrawn, so that a button
means the step it stands in, wherever that is by now. What a step may be is decided by
`services.policy_steps`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.http import QueryDict

from escalations.models import PolicyStep
from escalations.models.schedule import weekdays_in
from escalations.services.policy_steps import (
    MAX_STEPS,
    MAX_TARGETS,
    ConditionInput,
    StepInput,
    TargetInput,
    WindowInput,
)
from escalations.snapshots import snapshot_of_target
from escalations.web.layer_forms import read_time
from escalations.web.phrases import WEEKDAYS
from escalations.web.target_names import TargetName, read_target, target_named
from incidents.filters import read_id

Reasons = dict[str, list[str]]  # by "<key of the step>-<field>"
Urgency = PolicyStep.Urgency
DAYS = frozenset("0123456")
MAX_TEXT = 300


@dataclass(frozen=True)
class StepDraft:
    """One step as it stands in the form; texts may be unreadable."""

    key: int
    delay: str = "0"
    urgency: str = Urgency.ANY.value
    is_round_robin: bool = False
    targets: tuple[TargetInput, ...] = ()
    typed: str = ""  # in the field that adds a target, not yet added
    days: frozenset[int] = frozenset()
    starts: str = ""
    ends: str = ""
    alerts: str = ""
    minutes: str = ""

    @property
    def day_boxes(self) -> list[tuple[int, str, bool]]:
        """The seven boxes: number, name, ticked."""
        return [(day, name, day in self.days) for day, name in enumerate(WEEKDAYS)]

    @property
    def has_window(self) -> bool:
        """Anything of a time window is filled in."""
        return bool(self.days or self.starts or self.ends)

    @property
    def is_limited(self) -> bool:
        """It waits for a time or for alerts."""
        return self.has_window or self.has_condition

    @property
    def has_condition(self) -> bool:
        """Anything of a condition is filled in."""
        return bool(self.alerts or self.minutes)


def drafts_of(steps: Iterable[PolicyStep]) -> list[StepDraft]:
    """Stored steps, as `selectors.steps_of` gives them."""
    return [_draft_of(key, step) for key, step in enumerate(steps, start=1)]


def _draft_of(key: int, step: PolicyStep) -> StepDraft:
    found = [snapshot_of_target(target) for target in step.targets.all()]
    return StepDraft(
        key=key,
        delay=str(step.delay_minutes),
        urgency=step.urgency,
        is_round_robin=step.is_round_robin,
        targets=tuple(TargetInput(target["kind"], target["id"]) for target in found),
        days=frozenset(weekdays_in(step.window_weekdays)),
        starts=f"{step.window_starts:%H:%M}" if step.window_starts else "",
        ends=f"{step.window_ends:%H:%M}" if step.window_ends else "",
        alerts=str(step.condition_alerts or ""),
        minutes=str(step.condition_minutes or ""),
    )


# From the browser


def read_drafts(data: QueryDict) -> list[StepDraft]:
    """The steps as they were posted, in the order in which they stood."""
    keys = [key for text in data.getlist("steps")[: MAX_STEPS + 1] if (key := read_id(text))]
    return [_read_draft(key, data) for key in dict.fromkeys(keys)]


def _read_draft(key: int, data: QueryDict) -> StepDraft:
    def text(name: str) -> str:
        return data.get(f"step-{key}-{name}", "").replace("\x00", "").strip()[:MAX_TEXT]

    targets = [read_target(each) for each in data.getlist(f"step-{key}-targets")]
    return StepDraft(
        key=key,
        delay=text("delay"),
        urgency=text("urgency"),
        is_round_robin=bool(text("robin")),
        targets=tuple(target for target in targets if target is not None)[: MAX_TARGETS + 1],
        typed=text("add"),
        days=frozenset(int(d) for d in data.getlist(f"step-{key}-days") if d in DAYS),
        starts=text("starts"),
        ends=text("ends"),
        alerts=text("alerts"),
        minutes=text("minutes"),
    )


def with_typed_targets(
    drafts: Sequence[StepDraft], offered: Sequence[TargetName]
) -> tuple[list[StepDraft], Reasons]:
    """The drafts with what was typed as a target added; what nothing is called stays, and why."""
    added, reasons = [], {}
    for draft in drafts:
        found = target_named(offered, draft.typed) if draft.typed else None
        if found is not None:
            targets = dict.fromkeys((*draft.targets, found.target))
            draft = replace(draft, targets=tuple(targets), typed="")
        elif draft.typed:
            reasons[f"{draft.key}-targets"] = [
                f"Nobody and nothing is called “{draft.typed}”. Choose a name of the list."
            ]
        added.append(draft)
    return added, reasons


def rearranged(drafts: Sequence[StepDraft], do: str) -> list[StepDraft]:
    """The steps after a button: "new", "up-2", "down-2", "remove-2", "drop-2-user-17".

    Numbers are keys; what fits no step changes nothing.
    """
    verb, _, rest = do.partition("-")
    key_text, _, target = rest.partition("-")
    key = read_id(key_text)
    steps = list(drafts)
    place = next((place for place, step in enumerate(steps) if step.key == key), None)
    if verb == "new":
        return [*steps, new_draft(steps)]
    if place is None:
        return steps
    step = steps.pop(place)
    match verb:
        case "up":
            steps.insert(max(place - 1, 0), step)
        case "down":
            steps.insert(place + 1, step)
        case "remove":
            pass
        case "drop":
            left = tuple(each for each in step.targets if each != read_target(target))
            steps.insert(place, replace(step, targets=left))
        case _:
            steps.insert(place, step)
    return steps


def new_draft(steps: Sequence[StepDraft]) -> StepDraft:
    """An empty step: the first one pages at once."""
    key = max((step.key for step in steps), default=0) + 1
    return StepDraft(key=key, delay="15" if steps else "0")


# To the service


def inputs_from(drafts: Sequence[StepDraft]) -> tuple[list[StepInput], Reasons]:
    """What the service takes, and what cannot be read; the inputs count only without reasons."""
    reasons: Reasons = {}
    return [_input_from(draft, reasons) for draft in drafts], reasons


def _input_from(draft: StepDraft, reasons: Reasons) -> StepInput:
    delay = _number(draft.delay)
    if delay is None:
        reasons[f"{draft.key}-delay"] = ["Write how many minutes to wait, such as 15, or 0."]
    return StepInput(
        delay_minutes=delay or 0,
        targets=draft.targets,
        urgency=draft.urgency,
        is_round_robin=draft.is_round_robin,
        window=_window(draft, reasons),
        condition=_condition(draft, reasons),
    )


def _window(draft: StepDraft, reasons: Reasons) -> WindowInput | None:
    if not draft.has_window:
        return None
    try:
        return WindowInput(draft.days, read_time(draft.starts), read_time(draft.ends))
    except ValueError:
        reasons[f"{draft.key}-window"] = [
            "Tick days and write both times, such as 09:00 and 17:00; or empty all of it."
        ]
        return None


def _condition(draft: StepDraft, reasons: Reasons) -> ConditionInput | None:
    if not draft.has_condition:
        return None
    alerts, minutes = _number(draft.alerts), _number(draft.minutes)
    if alerts is None or minutes is None:
        reasons[f"{draft.key}-condition"] = [
            "Write both numbers, such as 10 alerts in 5 minutes; or empty both."
        ]
        return None
    return ConditionInput(alerts, minutes)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


def reasons_of_steps(drafts: Sequence[StepDraft], fields: dict[str, list[str]]) -> Reasons:
    """What the service refused of steps ("steps.0.targets.1.id"), by key and field of the form."""
    reasons: Reasons = {}
    for name, texts in fields.items():
        head, _, rest = name.partition(".")
        if head != "steps":
            continue
        number, _, field = rest.partition(".")
        place = {"delay_minutes": "delay"}.get(field, field.partition(".")[0])
        is_known = number.isdecimal() and int(number) < len(drafts)
        key = f"{drafts[int(number)].key}-{place}" if is_known else "steps"
        reasons.setdefault(key, []).extend(texts)
    return reasons
