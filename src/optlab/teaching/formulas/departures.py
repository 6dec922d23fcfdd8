"""The sources of what is said where torch departs from the textbooks.

The words are `departure.<id>` in `teaching.words`. `pytorch#1099` is a thread in PyTorch's own tracker.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """What a statement rests on: a name to show, and where it can be read."""

    name: str
    url: str


def _issue(number: int, repository: str = "pytorch/pytorch") -> Source:
    return Source(f"{repository.partition('/')[2]}#{number}", f"https://github.com/{repository}/issues/{number}")


def _paper(name: str, identifier: str) -> Source:
    return Source(name, f"https://arxiv.org/abs/{identifier}")


_SUTSKEVER = Source("Sutskever et al. 2013", "https://proceedings.mlr.press/v28/sutskever13.html")
_ADAM = _paper("Kingma & Ba 2015", "1412.6980")
_DECOUPLED = _paper("Loshchilov & Hutter 2019", "1711.05101")
_MUON = Source("Jordan et al. 2024", "https://kellerjordan.github.io/posts/muon/")

SOURCES: dict[str, tuple[Source, ...]] = {
    "lr_outside": (_issue(1099), _SUTSKEVER),
    "first_buffer": (_issue(92111),),
    "first_buffer_dampening": (_issue(152833),),
    "nesterov": (_issue(5920), _SUTSKEVER),
    "l2": (_issue(48793), _DECOUPLED),
    "decoupled": (_issue(3740), _DECOUPLED),
    "decoupled_fixed": (_DECOUPLED,),
    "adam_eps": (_issue(2060), _issue(22628), _ADAM),
    "amsgrad": (_issue(142323), Source("Reddi et al. 2018", "https://openreview.net/forum?id=ryQu7f-RZ")),
    "adamax_eps": (_issue(36712, "PaddlePaddle/Paddle"), _ADAM),
    "nadam_schedule": (
        _issue(59009),
        Source("Dozat 2015", "http://cs229.stanford.edu/proj2015/054_report.pdf"),
    ),
    "radam_threshold": (_issue(58968), _paper("Liu et al. 2020", "1908.03265")),
    "radam_eps": (_issue(92551),),
    "rmsprop_alpha": (
        _issue(239, "google/flax"),
        Source("Hinton 2012", "https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf"),
    ),
    "rmsprop_eps": (_issue(23796),),
    "lr_outside_rmsprop": (_issue(1099), _issue(32545)),
    "adagrad_start": (
        Source("Keras: Adagrad", "https://www.tensorflow.org/api_docs/python/tf/keras/optimizers/Adagrad"),
    ),
    "adagrad_lr_decay": (Source("Duchi et al. 2011", "https://jmlr.org/papers/v12/duchi11a.html"),),
    "adadelta_eps": (_paper("Zeiler 2012", "1212.5701"),),
    "adadelta_lr": (_issue(568), _paper("Zeiler 2012", "1212.5701")),
    "muon_mean": (_MUON,),
    "muon_orthogonal": (_MUON,),
    "muon_lr": (_issue(160213),),
}
