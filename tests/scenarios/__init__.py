"""Named situations that a gateway must master, each with its expected outcome (`make scenarios`)."""
