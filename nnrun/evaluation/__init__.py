"""How good a trained network is, by every metric of its task, and what simple models reach."""
