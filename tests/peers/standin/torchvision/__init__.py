"""Stands in for torchvision, which does not import beside this torch: the names that the peers import at their top, none of which the tests run."""

from . import models, ops, transforms

__version__ = "0"
__all__ = ["models", "ops", "transforms"]
