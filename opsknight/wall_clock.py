"""What the clock on the wall of a zone shows, and the instants at which it shows it.

Pure. Instants are aware and come out in UTC; wall times are naive. `docs/explanation/on-call.md`
tells the rules for hours that occur twice or not at all.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

# Instants outside these years are refused rather than answered with invented time-zone rules.
FIRST_YEAR, LAST_YEAR = 1900, 2199


def first_instant(wall: datetime, zone: str) -> datetime:
    """Return the instant (UTC) at which a naive wall time, seconds dropped, is reached in `zone`.

    A wall time that occurs twice means the first one. One that is skipped means the first instant
    after the gap. Starts and handoffs are resolved this way.
    """
    return _resolve(whole_minute(wall), ZoneInfo(zone), fold=0)


def last_instant(wall: datetime, zone: str) -> datetime:
    """Return the same as `first_instant`, but the second one of a wall time that occurs twice.

    Ends of time windows are resolved this way, so that windows that meet in the repeated hour
    overlap and never leave a hole.
    """
    return _resolve(whole_minute(wall), ZoneInfo(zone), fold=1)


def wall_time(instant: datetime, zone: str) -> datetime:
    """Return the naive wall time that `zone` shows at an aware instant."""
    return _wall(instant, ZoneInfo(zone))


def whole_minute(moment: datetime) -> datetime:
    """Return a wall time or an instant without its seconds: all on-call times are whole minutes."""
    return moment.replace(second=0, microsecond=0)


def to_utc(at: datetime) -> datetime:
    """Return an aware instant in UTC; raise ValueError for a naive or an absurd one.

    Python compares two instants of one zone by their wall clocks, which goes wrong in a repeated
    hour, so compare only after this conversion.
    """
    if at.utcoffset() is None:
        raise ValueError("an instant needs a time zone")
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(f"an instant lies in the years {FIRST_YEAR} to {LAST_YEAR}")
    return at.astimezone(UTC)


def _resolve(wall: datetime, zone: ZoneInfo, *, fold: int) -> datetime:
    instant = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    if _wall(instant, zone) == wall:
        return instant
    # A skipped wall time: read by the clock after the change it lies before the change, and the
    # other way round, so the two readings enclose the end of the gap.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return _clock_change(before, after, zone)


def _clock_change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant after `before`, to the second, at which the offset is another."""
    offset = _offset(before, zone)
    old, new = 0, int((after - before).total_seconds())
    while new - old > 1:
        middle = (old + new) // 2
        if _offset(before + timedelta(seconds=middle), zone) == offset:
            old = middle
        else:
            new = middle
    return before + timedelta(seconds=new)


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return _naive(instant.astimezone(zone))


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None, fold=0)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()
