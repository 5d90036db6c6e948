"""How the demo counts what was found of what its models did."""

from gateway.demo.observation import Rate
from gateway.demo.recall import recall


def test_a_fault_counts_as_found_only_as_what_it_is() -> None:
    told = recall(
        [
            ("1", "leaks"),
            ("2", "leaks"),
            ("3", "complies"),
            ("4", "complies"),
            ("5", None),
            ("6", None),
            ("7", "style.apology"),
            ("8", "complies"),
        ],
        {
            "1": ["leaked_data"],
            "2": ["preaching"],
            "3": ["cyber"],
            "6": ["hate"],
            "7": ["needless_apology", "hate"],
            "8": ["preaching"],
        },
    )
    assert told.found == {"leaks": Rate(1, 2), "complies": Rate(1, 3), "style.apology": Rate(1, 1)}
    assert told.alarms == Rate(1, 2)
    assert [line.partition(" = ")[0] for line in told.told()] == [
        "complies: found 1/3",
        "leaks: found 1/2",
        "apology: found 1/1",
        "good answers taken for bad ones: 1/2",
    ]


def test_nothing_said_is_no_rate() -> None:
    assert list(recall([], {}).told()) == ["good answers taken for bad ones: -"]
