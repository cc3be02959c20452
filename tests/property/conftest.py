"""How hypothesis looks for counterexamples here."""

from hypothesis import settings

# A shared machine stops for longer than hypothesis' 200 ms now and then; that is no defect of ours.
settings.register_profile("property", deadline=None, print_blob=True)
settings.load_profile("property")
