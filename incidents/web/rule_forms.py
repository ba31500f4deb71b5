"""The form of an integration's rules: templates, routes in their order, and the default route.

Whatever is posted becomes `RuleTexts` as it is; `services.rules` says what is wrong with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django import forms

from incidents.filters import read_id
from incidents.intake.rules import (
    FIELDS,
    MAX_ROUTES,
    RouteText,
    RuleTexts,
    condition_name,
    templates_of,
)
from incidents.models import Incident
from incidents.policies import policy_choices
from incidents.services.rules import MAX_NAME, Reasons

DEFAULT_NAME = "Default"
NEW_ROUTE = RouteText("", "", None, "", "", False)
NO_CONDITION = "Write a condition, or remove this route: what no route takes goes to the default."
NO_POLICY = -1  # there is none of this number: what was posted is no policy


def code_area(rows: int, placeholder: str) -> forms.Textarea:
    """A text area for something that a machine reads."""
    return forms.Textarea(
        attrs={
            "rows": rows,
            "placeholder": placeholder,
            "class": "code-area",
            "spellcheck": "false",
            "autocapitalize": "off",
            "autocomplete": "off",
        }
    )


class TemplatesForm(forms.Form):
    """The templates; the placeholder of each is what holds without it."""

    use_required_attribute = False

    title = forms.CharField(required=False, widget=code_area(1, "{{ event.summary }}"))
    description = forms.CharField(required=False, widget=code_area(2, "{{ event.description }}"))
    dedup_key = forms.CharField(
        required=False,
        label="Dedup key",
        widget=code_area(1, "{{ event.dedup_key }}"),
        help_text="Alerts with the same key join one incident. Use only what is the same when it "
        "fires and when it is over.",
    )
    urgency = forms.CharField(
        required=False,
        widget=code_area(
            1,
            "{{ 'high' if event.severity == 'critical' else 'low' if event.severity == 'info' "
            "else 'medium' }}",
        ),
        help_text="Renders to high, medium or low; a severity such as critical is understood.",
    )
    resolve_when = forms.CharField(
        required=False,
        label="Resolve when",
        widget=code_area(1, "event.action == 'resolve'"),
        help_text="An expression without {{ }}. Where it is true, the event resolves its incident.",
    )


class DefaultRouteForm(forms.Form):
    """What happens to an event that no other route takes."""

    use_required_attribute = False  # half-written routes can be moved and removed

    name = forms.CharField(required=False, widget=forms.HiddenInput)
    escalation_policy = forms.ChoiceField(
        required=False,
        error_messages={"invalid_choice": "This policy is gone. Choose another."},
    )
    urgency = forms.ChoiceField(
        required=False, choices=[("", "As the alert says"), *Incident.Urgency.choices]
    )
    priority = forms.ChoiceField(required=False, choices=[("", "None"), *Incident.Priority.choices])
    is_suppressed = forms.BooleanField(required=False, label="Suppress: record it, page nobody")

    def __init__(self, policies: Sequence[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        choices = [("", "The service's"), *policies]
        self.fields["escalation_policy"].choices = choices  # type: ignore[attr-defined]


class RouteForm(DefaultRouteForm):
    """A route with its condition."""

    name = forms.CharField(
        max_length=MAX_NAME,
        error_messages={"required": f"Give it a name of at most {MAX_NAME} characters."},
    )
    condition = forms.CharField(
        error_messages={"required": NO_CONDITION},
        widget=code_area(1, "event.details.labels.team == 'database'"),
        help_text="An expression without {{ }}.",
    )


@dataclass(frozen=True)
class FieldError:
    """One thing to look at again, with the field it is about."""

    label: str
    target: str  # id of the field; "": the whole
    text: str


@dataclass(frozen=True)
class Draft:
    """The rules as they stand in the form; the default route is apart from the others."""

    templates: RuleTexts  # its routes are not used
    routes: tuple[RouteText, ...]
    default: RouteText

    @property
    def texts(self) -> RuleTexts:
        """What would be stored; a default route that changes nothing is left out."""
        is_plain = self.default == replace(NEW_ROUTE, name=self.default.name)
        last = () if is_plain else (self.default,)
        return replace(self.templates, routes=(*self.routes, *last))

    @property
    def tried(self) -> RuleTexts:
        """The same for the preview: a route without a condition is not finished and never taken."""
        routes = [r if r.condition else replace(r, condition="false") for r in self.routes]
        return replace(self, routes=tuple(routes)).texts

    @property
    def unfinished(self) -> Reasons:
        """Routes without a condition: only the default route has none."""
        return {
            condition_name(n): [NO_CONDITION] for n, r in enumerate(self.routes) if not r.condition
        }


@dataclass
class Editor:
    """Everything the form shows."""

    templates: TemplatesForm
    routes: list[RouteForm]
    default: DefaultRouteForm
    version: str
    errors: list[FieldError] = field(default_factory=list)

    @property
    def has_room(self) -> bool:
        """Whether one more route may be added."""
        return len(self.routes) < MAX_ROUTES - 1


def editor_of(draft: Draft, version: str, reasons: Reasons | None = None) -> Editor:
    """The form with these texts; with `reasons`, each at its field. 1 query."""
    policies = policy_choices()

    def made(kind: type[forms.Form], values: dict[str, Any], prefix: str, **more: Any) -> Any:
        if reasons is None:
            return kind(initial=values, prefix=prefix, **more)
        sent = {f"{prefix}-{name}": value for name, value in values.items() if value is not False}
        return kind(data=sent, prefix=prefix, **more)

    editor = Editor(
        templates=made(TemplatesForm, {n: getattr(draft.templates, n) for n in FIELDS}, "template"),
        routes=[
            made(RouteForm, _values(route), f"route-{place}", policies=policies)
            for place, route in enumerate(draft.routes)
        ],
        default=made(DefaultRouteForm, _values(draft.default), "default", policies=policies),
        version=version,
    )
    _show_reasons(editor, reasons or {})
    return editor


def draft_of(texts: RuleTexts) -> Draft:
    """The form's view of stored rules: the last route without a condition is the default."""
    if texts.routes and not texts.routes[-1].condition.strip():
        return Draft(texts, texts.routes[:-1], texts.routes[-1])
    return Draft(texts, texts.routes, replace(NEW_ROUTE, name=DEFAULT_NAME))


def read_posted(data: Mapping[str, str]) -> Draft:
    """The form as it was posted."""
    templates = templates_of({name: _code(data, f"template-{name}") for name in FIELDS})
    routes: list[RouteText] = []
    while f"route-{len(routes)}-name" in data and len(routes) <= MAX_ROUTES:
        routes.append(_read_route(data, f"route-{len(routes)}"))
    name = data.get("default-name", "").strip()[:MAX_NAME] or DEFAULT_NAME
    default = replace(_read_route(data, "default"), name=name, condition="")
    return Draft(templates, tuple(routes), default)


def rearranged(draft: Draft, do: str) -> tuple[Draft, int | None]:
    """The draft after "add", "remove-2", "up-2" or "down-2" (from 1), and the place to go on at."""
    verb, _, number = do.partition("-")
    routes = list(draft.routes)
    place = (read_id(number) or 0) - 1
    at: int | None = None
    if verb == "add" and len(routes) < MAX_ROUTES - 1:
        routes.append(NEW_ROUTE)
        at = len(routes) - 1
    elif verb in ("remove", "up", "down") and 0 <= place < len(routes):
        route = routes.pop(place)
        if verb != "remove":
            at = max(place - 1, 0) if verb == "up" else min(place + 1, len(routes))
            routes.insert(at, route)
    return replace(draft, routes=tuple(routes)), at


def _read_route(data: Mapping[str, str], prefix: str) -> RouteText:
    policy = data.get(f"{prefix}-escalation_policy", "")
    return RouteText(
        name=data.get(f"{prefix}-name", "").strip(),
        condition=_code(data, f"{prefix}-condition"),
        policy_id=(read_id(policy) or NO_POLICY) if policy else None,
        urgency=data.get(f"{prefix}-urgency", ""),
        priority=data.get(f"{prefix}-priority", ""),
        is_suppressed=bool(data.get(f"{prefix}-is_suppressed")),
    )


def _code(data: Mapping[str, str], name: str) -> str:
    """A posted text; forms send the ends of lines in the way of Windows."""
    return data.get(name, "").replace("\r\n", "\n").replace("\x00", "").strip()


def _values(route: RouteText) -> dict[str, Any]:
    return {
        "name": route.name,
        "condition": route.condition,
        "escalation_policy": route.policy_id or "",
        "urgency": route.urgency,
        "priority": route.priority,
        "is_suppressed": route.is_suppressed,
    }


def _show_reasons(editor: Editor, reasons: Reasons) -> None:
    """Put each reason at its field, and all of them into the list above the form."""
    for path, texts in reasons.items():
        form, name, where = _find(editor, path)
        if form is None:
            editor.errors.append(FieldError("", "", texts[0]))
            continue
        if name not in form.errors:
            form.add_error(name, texts)
        bound = form[name]
        editor.errors.append(FieldError(f"{where}{bound.label}", bound.auto_id, texts[0]))


def _find(editor: Editor, path: str) -> tuple[forms.Form | None, str, str]:
    """The form and field that a dotted name means, and how to call its place."""
    parts = path.split(".")
    if path in FIELDS:
        return editor.templates, path, ""
    if len(parts) != 3:
        return None, "", ""
    place = int(parts[1])
    form = editor.routes[place] if place < len(editor.routes) else editor.default
    where = f"Route {place + 1}, " if form is not editor.default else "Default route, "
    return (form, parts[2], where) if parts[2] in form.fields else (None, "", "")
