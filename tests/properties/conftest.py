"""How many cases the property tests try, the same ones on every run."""

from hypothesis import HealthCheck
from hypothesis import settings

settings.register_profile(
    "few",
    derandomize=True,
    max_examples=10,
    deadline=None,  # The first case builds what the others use.
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("many", settings.get_profile("few"), max_examples=300)
settings.load_profile("few")
