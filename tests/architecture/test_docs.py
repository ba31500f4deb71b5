"""The documentation: every page is found from the README, and no link leads nowhere."""

import re
from pathlib import Path

from tests.stack import ROOT

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
PAGES = sorted(
    path.relative_to(ROOT) for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
)


def links_of(page: Path) -> set[Path]:
    """The files that a page links to."""
    found = LINK.findall((ROOT / page).read_text())
    return {
        (ROOT / page.parent / link).resolve()
        for link in found
        if "://" not in link and not link.startswith("mailto:")
    }


def test_no_link_leads_nowhere() -> None:
    lost = {(str(page), str(link)) for page in PAGES for link in links_of(page)}

    assert sorted((page, link) for page, link in lost if not Path(link).exists()) == []


def test_every_page_is_found_from_the_readme() -> None:
    reached, waiting = set(), [Path("README.md")]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        inside = {link.relative_to(ROOT) for link in links_of(page) if link.suffix == ".md"}
        waiting += [link for link in inside if link not in reached and (ROOT / link).exists()]

    assert [str(page) for page in PAGES if page not in reached] == []
