from gateway.proxy.pins import Pin, Pins

PIN = Pin("assistant", "stable", "http://127.0.0.1:8001")


def test_a_pin_is_found_until_it_is_forgotten() -> None:
    pins = Pins()
    pins.put("resp_1", PIN)
    assert pins.get("resp_1") == PIN
    assert pins.get("resp_2") is None
    pins.forget("resp_1")
    pins.forget("resp_1")
    assert pins.get("resp_1") is None


def test_the_longest_unused_makes_room() -> None:
    pins = Pins(capacity=2)
    pins.put("a", PIN)
    pins.put("b", PIN)
    pins.get("a")
    pins.put("c", PIN)
    assert (len(pins), pins.get("b")) == (2, None)
    assert pins.get("a") == pins.get("c") == PIN
