"""Scheduling: how long patients wait for a date, and how appointments went before.

Codes: APPOINTMENT//BOOKED (number: days between booking and appointment), //RESCHEDULED (by the clinic),
//NO_SHOW, //KEPT, //CANCELLED. Missed appointments carry no sign: METHOD counts them among what a person is. The third
next available date has no code.
"""

from wellkept.catalogue import feature
from wellkept.history import Expression, History

BOOKED, NO_SHOW, KEPT = "APPOINTMENT//BOOKED", "APPOINTMENT//NO_SHOW", "APPOINTMENT//KEPT"
RESCHEDULED, CANCELLED = "APPOINTMENT//RESCHEDULED", "APPOINTMENT//CANCELLED"


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
    return past.of(RESCHEDULED).within("365d").count()


@feature(
    says="missed {value:.0f} appointments in the last year",
    otherwise="missed no appointment in the last year",
    null="no appointments on record",
    unit="appointments",
    touchpoint="scheduling",
    dimension="customer",
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


@feature(
    says="was booked {value:.0f} days ahead on average in the last year",
    otherwise="was always booked for the same day in the last year",
    null="no booking in the last year",
    unit="d",
    touchpoint="scheduling",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def lead_days_mean_365d(past: History) -> Expression:
    """Mean days from booking to appointment, of the bookings of 365 days."""
    return past.of(BOOKED).within("365d").mean()


@feature(
    says="times that the clinic moved this appointment: {value:.0f}",
    otherwise="this appointment was not moved",
    null="the booking of this appointment is not on record",
    unit="times",
    touchpoint="scheduling",
    dimension="customer",
    monotone=+1,
    modifiable=True,
)
def reschedules_here(past: History) -> Expression:
    """How often the clinic moved the appointment of this encounter."""
    booked = past.of(BOOKED).same_encounter()
    return past.of(RESCHEDULED).same_encounter().count().where(booked.count() > 0)


@feature(
    says="appointments cancelled in the last year: {value:.0f}",
    otherwise="cancelled no appointment in the last year",
    null="no appointments on record",
    unit="appointments",
    touchpoint="scheduling",
    dimension="customer",
)
def cancellations_365d(past: History) -> Expression:
    """Appointments that the patient cancelled, in 365 days."""
    return past.of(CANCELLED).within("365d").count()


@feature(
    says="has an appointment ahead",
    otherwise="has no appointment ahead",
    null="no booking on record",
    unit="yes/no",
    touchpoint="scheduling",
    dimension="customer",
    modifiable=True,
)
def appointment_ahead(past: History) -> Expression:
    """Is the latest booking's date still to come, and nothing cancelled since it was made."""
    booked = past.of(BOOKED)
    not_cancelled = (past.of(CANCELLED).since() > booked.since()).coalesce(1)
    return (booked.last() > booked.since()) * not_cancelled
