"""softlab's methods in somebody else's training: a loss, a mixture of images, and a monitor.

criterion = softlab.criterion("maxsup", alpha=0.1)
mix = softlab.mixture("cutmix", beta=1.0, classes=10)
watch = softlab.Watch(model, loader)
"""

from softlab.facade import lazily

HOMES = {
    "criterion": "losses",
    "Criterion": "losses",
    "mixture": "mixtures",
    "Mixture": "mixtures",
    "Watch": "monitor",
}
__getattr__, __dir__ = lazily(__name__, HOMES)
