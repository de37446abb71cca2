"""What can be done for a patient: one file an intervention, found by its name."""
