"""The code part of a key: exactly what a function reaches, wherever it lies."""

from __future__ import annotations

import importlib
import sys
import textwrap

import pytest

from bbb_book.results import syntax
from bbb_book.results.definitions import code_hash, reached
from bbb_core.errors import InputError

BASE = {
    "__init__": "",
    "main": """
        from probe_book import tools
        from probe_book.parts import SIZE, Shape

        UNUSED = 1

        def other():
            return UNUSED

        def f(n: int):
            shape = Shape(n * SIZE)
            return {"area": tools.area(shape)}
    """,
    "parts": """
        SIZE = 3

        class Shape:
            def __init__(self, side):
                self.side = side

            def double(self):
                return 2 * self.side
    """,
    "tools": """
        import math

        def area(shape):
            from probe_book.deep import power

            return power(shape.side) * math.pi

        def nothing():
            return None
    """,
    "deep": """
        def power(x):
            return x**2
    """,
}


@pytest.fixture
def hashed(tmp_path, monkeypatch):
    """Write a package of our own and hash its function `f`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(syntax, "PACKAGES", ("bbb_core", "probe_book"))

    def forget():
        for name in [name for name in sys.modules if name.startswith("probe_book")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        syntax.locate.cache_clear()
        syntax.parsed.cache_clear()

    def write(home="main", **changes):
        forget()
        folder = tmp_path / "probe_book"
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            if path.suffix == ".py":
                path.unlink()
        for name, text in (BASE | changes).items():
            if text is not None:
                (folder / f"{name}.py").write_text(textwrap.dedent(text))
        return code_hash(importlib.import_module(f"probe_book.{home}").f)

    yield write
    forget()


def changed(module, old, new):
    assert old in BASE[module]
    return {module: BASE[module].replace(old, new)}


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("main", "n * SIZE", "n + SIZE"),
        ("parts", "SIZE = 3", "SIZE = 4"),
        ("parts", "return 2 * self.side", "return 3 * self.side"),  # classes count whole
        ("tools", "math.pi", "math.tau"),
        ("tools", "import math", "import cmath as math"),
        ("deep", "x**2", "x**3"),
        ("parts", "class Shape", "print()\n\n        class Shape"),  # it runs on import
        ("parts", "class Shape:", "from abc import ABC\n\n        class Shape(ABC):"),
    ],
)
def test_a_change_of_what_is_computed_gives_a_new_key(hashed, module, old, new):
    assert hashed(**changed(module, old, new)) != hashed()


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("main", "UNUSED = 1", "UNUSED = 2"),
        ("main", "from probe_book import tools", "from probe_book import tools  # why"),
        ("main", "def f(n: int):", 'def f(n: int):\n            """Say what it is."""\n'),
        ("tools", "return None", "return 1"),
        ("deep", "def power(x):", "# a note\n\n        def power(x):"),
        ("parts", "class Shape:",
         "from bbb_core.report.shown import Shown\n\n        class Shape(Shown):"),
    ],
)  # fmt: skip
def test_what_is_not_reached_and_what_explains_is_no_part_of_the_key(hashed, module, old, new):
    assert hashed(**changed(module, old, new)) == hashed()


def test_a_key_survives_a_move(hashed):
    moved = {
        "main": None,
        "chapter": BASE["main"].replace("probe_book.parts", "probe_book.shapes"),
        "parts": None,
        "shapes": BASE["parts"] + BASE["deep"],
        "deep": None,
        "tools": BASE["tools"].replace("probe_book.deep", "probe_book.shapes"),
    }
    assert hashed(home="chapter", **moved) == hashed()


def test_a_swap_of_two_definitions_is_seen(hashed):
    one = "def g():\n    return 1\n"
    two = "def g():\n    return 2\n"
    call = "from probe_book import a, b\n\ndef f():\n    return a.g() - b.g()\n"
    first = hashed(main=call, a=one, b=two)
    assert first != hashed(main=call.replace("a.g() - b.g()", "b.g() - a.g()"), a=one, b=two)
    assert first != hashed(main=call, a=two, b=one)


LAZY = """
    import importlib

    _HOME = {"area": "tools"}

    def __getattr__(name):
        return getattr(importlib.import_module(f"probe_book.{_HOME[name]}"), name)
"""
ATTACHED = """
    from typing import TYPE_CHECKING

    from bbb_core.lazy import attach

    if TYPE_CHECKING:
        from probe_book.tools import area as area

    _HOME = {"area": "tools"}

    __all__ = sorted(_HOME)
    __getattr__, __dir__ = attach(__name__, _HOME)
"""
UNTYPED = ATTACHED.replace("        from probe_book.tools import area as area", "        pass")


@pytest.mark.parametrize("lazy", [LAZY, ATTACHED, UNTYPED])
@pytest.mark.parametrize(
    "main",
    [
        "def f(s):\n    from probe_book import area\n\n    return area(s)\n",
        "from probe_book import area\n\ndef f(s):\n    return area(s)\n",
        "import probe_book\n\ndef f(s):\n    return probe_book.area(s)\n",
    ],
)
def test_a_package_that_loads_on_first_use_is_followed(hashed, lazy, main):
    first = hashed(__init__=lazy, main=main)
    assert first != hashed(__init__=lazy, main=main, **changed("deep", "x**2", "x**3"))
    assert first == hashed(__init__=lazy, main=main, **changed("tools", "return None", "return 1"))


def test_a_name_imported_for_type_checks_alone_is_followed(hashed):
    main = """
        from __future__ import annotations

        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from probe_book.parts import Shape

        def f(shape: Shape):
            return shape.side
    """
    first = hashed(main=main)
    assert first != hashed(main=main, **changed("parts", "2 * self.side", "3 * self.side"))


def test_a_data_file_beside_the_module_counts_by_content(hashed, tmp_path):
    main = 'def f():\n    return open("shares.csv")\n'
    keys = [hashed(main=main)]
    for text in ("a", "b"):
        (tmp_path / "probe_book" / "shares.csv").write_text(text)
        keys.append(hashed(main=main))
    assert len(set(keys)) == 3


def test_a_name_that_cannot_be_found_is_refused(hashed):
    with pytest.raises(InputError, match="probe_book has no 'area' that can be found"):
        hashed(main="def f():\n    from probe_book import area\n\n    return area\n")


@pytest.mark.parametrize(
    "body",
    [
        "def f(tools):\n    return tools.nowhere()\n",
        "def f():\n    tools = 1\n    return tools.nowhere\n",
        "def f():\n    return [tools.nowhere for tools in (1, 2)]\n",
        "def f():\n    return (lambda tools: tools.nowhere)(1)\n",
        "def f():\n    def tools():\n        pass\n    return tools.nowhere\n",
    ],
)
def test_a_variable_is_not_taken_for_a_module_of_its_name(hashed, body):
    assert hashed(main="from probe_book import tools\n\n" + body)


@pytest.mark.parametrize(
    "body",
    [
        "def f(x=power(2)):\n    return x\n",
        "def f(x: power):\n    return x\n",
        "def f():\n    return [power for power in power(3)]\n",
        "def f():\n    def g(power):\n        return power\n    return g(power)\n",
        "class A:\n    power = 1\n    def g(_):\n        return power\n\ndef f():\n    return A\n",
        "def f():\n    global power\n    power = power\n",
    ],
)
def test_a_global_is_seen_beside_a_variable_of_its_name(hashed, body):
    main = "from probe_book.deep import power\n\n" + body
    assert hashed(main=main) != hashed(main=main, **changed("deep", "x**2", "x**3"))


def uses_a_lazy_room():
    from bbb_core.alignment import audit

    return audit


def uses_the_room_itself():
    import bbb_core.alignment

    return bbb_core.alignment.audit


def test_the_rooms_of_the_library_are_followed_and_storage_is_set_aside():
    from bbb_book.generators.people import measure_model
    from bbb_core.alignment import audit

    for function in (uses_a_lazy_room, uses_the_room_itself):
        assert (audit.__module__, "audit") in reached(function)
    known = reached(measure_model)
    assert ("bbb_core.diffusion.sampling", "generate") in known
    assert not [m for m, _ in known if m.startswith(("bbb_book.results", "bbb_core.progress"))]
