"""Scheduling: how long patients wait for a date, and how appointments went before.

Codes: APPOINTMENT//BOOKED (number: days between booking and appointment), //RESCHEDULED (by the clinic),
//NO_SHOW, //KEPT.
"""

from wellkept.catalogue import feature
from wellkept.history import Expression, History

BOOKED, NO_SHOW, KEPT = "APPOINTMENT//BOOKED", "APPOINTMENT//NO_SHOW", "APPOINTMENT//KEPT"


@feature(
    says="was booked {value:.0f} days ahead",
    otherwise="was booked for the same day",
    null="no booking on record",
    unit="d",
    touchpoint="scheduling",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def lead_days(past: History) -> Expression:
    """Days from booking to appointment: of this encounter, else of the latest booking."""
    booked = past.of(BOOKED)
    return booked.same_encounter().last().coalesce(booked.last())


@feature(
    says="the appointment was on the day of the booking",
    otherwise="the appointment was not on the day of the booking",
    null="no booking on record",
    unit="yes/no",
    touchpoint="scheduling",
    dimension="customer",
    monotone=-1,
)
def same_day(past: History) -> Expression:
    """Was the appointment on the day of its booking: of this encounter, else of the latest booking."""
    booked = past.of(BOOKED)
    return booked.same_encounter().last().coalesce(booked.last()).equals(0)


@feature(
    says="had {value:.0f} appointments moved by the clinic in the last year",
    otherwise="had no appointment moved by the clinic in the last year",
    null="no appointments on record",
    unit="appointments",
    touchpoint="scheduling",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def reschedules_365d(past: History) -> Expression:
    """Appointments that the clinic moved, in 365 days."""
    return past.of("APPOINTMENT//RESCHEDULED").within("365d").count()


@feature(
    says="missed {value:.0f} appointments in the last year",
    otherwise="missed no appointment in the last year",
    null="no appointments on record",
    unit="appointments",
    touchpoint="scheduling",
    dimension="customer",
    monotone=+1,
)
def no_shows_365d(past: History) -> Expression:
    """Appointments missed without notice in 365 days, as known at the prediction time."""
    return past.of(NO_SHOW).within("365d").count()


@feature(
    says="missed {value:.0%} of the earlier appointments",
    otherwise="missed none of the earlier appointments",
    null="no earlier appointment with a known outcome",
    unit="share",
    touchpoint="scheduling",
    dimension="customer",
    monotone=+1,
)
def no_show_share(past: History) -> Expression:
    """Share of earlier appointments with a known outcome that were missed."""
    return past.of(NO_SHOW).share_of(past.of(NO_SHOW, KEPT))


@feature(
    says="missed an appointment {value:.0f} days ago",
    null="never missed an appointment",
    unit="d",
    touchpoint="scheduling",
    dimension="customer",
    monotone=-1,
)
def days_since_no_show(past: History) -> Expression:
    """Days since the latest missed appointment."""
    return past.of(NO_SHOW).since()


@feature(
    says="made {value:.0f} bookings in the last 90 days",
    otherwise="made no booking in the last 90 days",
    null="no booking on record",
    unit="bookings",
    touchpoint="scheduling",
    dimension="customer",
)
def bookings_90d(past: History) -> Expression:
    """Bookings made in 90 days."""
    return past.of(BOOKED).within("90d").count()
