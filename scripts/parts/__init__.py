"""The parts of a running Availability Guard, each startable and stoppable on its own."""
