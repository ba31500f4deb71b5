"""Calendars, going out and coming in. Pure: no ORM, no clock, no network."""
