"""How well grooves are made: against real bars, against baselines, by a judge from outside."""
