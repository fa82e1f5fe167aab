//! From a scenario file to a checked experiment; the only place that names every registry.
