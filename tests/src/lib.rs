//! The journeys are in `journeys/`: one test binary, on one stack of real servers (`media-devstack run`).
