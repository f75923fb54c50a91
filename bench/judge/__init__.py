"""How well a model judges which goals are the same job."""
