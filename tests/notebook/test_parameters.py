"""Names that a cell of parameters defines, however it is written."""

import pytest

from softbook.page.parameters import assigned_names, check_injected
from softlab import SoftlabError


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('profile = "quick"\nseeds = None\noverrides = {}', ["profile", "seeds", "overrides"]),
        ('profile: str = "quick"\nseeds: int | None = None', ["profile", "seeds"]),
        ("seeds: int", ["seeds"]),
        ('profile, seeds = "quick", None', ["profile", "seeds"]),
        ("(first, *rest), last = [1, 2], 3", ["first", "rest", "last"]),
        ("a = b = 1\na += 1", ["a", "b"]),
        ("seeds = [seed for seed in range(3)]", ["seeds"]),
        ('"""What may change."""\n# the profile\nprofile = "quick"  # its name', ["profile"]),
        ("%matplotlib inline\n!ls\nseeds = 1", ["seeds"]),
        ("where.x = 1\nlisted[0] = 1\nimport os", []),
        ("", []),
    ],
)
def test_names_of_a_cell(source, names):
    assert assigned_names(source) == names


@pytest.mark.parametrize(
    "parameters",
    [
        'profile: str = "quick"\nseeds: int | None = None',
        'profile, seeds = "quick", None',
        'profile = "quick"\nseeds = 1',
    ],
)
def test_an_unknown_parameter_is_named_and_known_ones_pass_however_they_are_written(parameters):
    check_injected(["", parameters, '# Parameters\nprofile = "smoke"\nseeds = 2\n', "begin()"])
    with pytest.raises(
        SoftlabError, match=r"unknown parameter 'profil'; did you mean 'profile'\? \(allowed: profile, see"
    ):
        check_injected(["", parameters, '# Parameters\nprofil = "smoke"\n', "begin()"])
