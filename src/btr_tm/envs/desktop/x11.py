"""Windows of an X server, through python-xlib: the geometry it gives is exact under every window manager."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar  # python-xlib has no types

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.protocols import GameLost
from btr_tm.envs.desktop.window import Rect, Window, only_one

Answer = TypeVar("Answer")


def find(title: str) -> Window:
    """The window with that title on the server that DISPLAY names; UserError as `find_window`."""
    display = connect()
    named = [(name, window) for window in _clients(display) if (name := _title(display, window))]
    matches = [X11Window(display, window, title) for name, window in named if name == title]
    try:
        return only_one(title, matches, [name for name, _ in named])
    except UserError:
        display.close()
        raise


def connect() -> Any:
    """A connection to the X server, a Display of python-xlib; UserError if there is none."""
    try:
        from Xlib.display import Display
        from Xlib.error import ConnectionClosedError, DisplayError
    except ImportError as error:
        raise UserError("env=desktop needs python-xlib; pip install 'btr-tm[desktop]'") from error
    try:
        return Display()
    except (DisplayError, ConnectionClosedError) as error:
        raise UserError(
            f"there is no screen to look at ({error}); start this where the game runs, or set DISPLAY"
        ) from error


class X11Window:
    """`Window` of an X server."""

    def __init__(self, display: Any, window: Any, title: str) -> None:
        self._display, self._window, self.title = display, window, title
        self._root = display.screen().root

    def rect(self) -> Rect | None:
        """As `Window.rect`."""
        return self._ask(self._rect)

    def screen(self) -> Rect:
        """As `Window.screen`."""
        size = self._ask(self._root.get_geometry)
        return Rect(0, 0, size.width, size.height)

    def covered_by(self) -> str:
        """As `Window.covered_by`: the first visible sibling above it in the stack that overlaps it."""
        return self._ask(self._covered_by)

    def focused(self) -> bool:
        """As `Window.focused`: the focus is on it, or on a window inside of it."""
        return self._ask(self._focused)

    def close(self) -> None:
        """As `Window.close`."""
        self._display.close()

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        from Xlib.error import BadDrawable, BadWindow, ConnectionClosedError

        try:
            return question()
        except (BadDrawable, BadWindow) as error:
            raise GameLost(f"the window {self.title!r} was closed") from error
        except (ConnectionClosedError, OSError) as error:
            raise GameLost("the connection to the X server broke") from error

    def _rect(self) -> Rect | None:
        """Three questions in one message to the server, for this is asked with every picture."""
        from Xlib.protocol import request

        asked, to, us = [], self._display.display, self._window.id
        asked.append(request.GetWindowAttributes(display=to, defer=1, window=us))
        asked.append(request.GetGeometry(display=to, defer=1, drawable=us))
        asked.append(
            request.TranslateCoords(display=to, defer=1, src_wid=us, dst_wid=self._root.id, src_x=0, src_y=0)
        )
        errors = [error for question in asked if (error := _error_of(question)) is not None]
        if errors:
            raise errors[0]
        attributes, size, corner = asked
        return Rect(corner.x, corner.y, size.width, size.height) if _shown(attributes) else None

    def _covered_by(self) -> str:
        rect = self._rect()
        ours = list(self._ancestors(self._window))[-1]
        stack = self._root.query_tree().children  # from the lowest to the highest
        above = stack[stack.index(ours) + 1 :]
        for other in above:
            if rect is not None and (over := _seen(other)) is not None and rect.overlaps(over):
                return f"another window ({_title(self._display, other) or 'without a title'})"
        return ""

    def _focused(self) -> bool:
        focus = self._display.get_input_focus().focus
        # An integer where no window has the focus: 0 is none, 1 follows the pointer.
        return not isinstance(focus, int) and self._window in self._ancestors(focus)

    def _ancestors(self, window: Any) -> Iterator[Any]:
        """`window` and what it lies in, without the root."""
        while window != self._root:
            yield window
            window = window.query_tree().parent


def _clients(display: Any) -> list[Any]:
    """Windows of programs: those the window manager lists, or else all that are visible."""
    root = display.screen().root
    listed = root.get_full_property(display.intern_atom("_NET_CLIENT_LIST"), 0)
    if listed is not None:
        return [display.create_resource_object("window", number) for number in listed.value]
    return list(_visible(root))


def _visible(window: Any) -> Iterator[Any]:
    for child in window.query_tree().children:
        if _viewable(child):
            yield child
            yield from _visible(child)


def _viewable(window: Any) -> bool:
    """Mapped, as all that it lies in, and with something to see."""
    return _shown(window.get_attributes())


def _seen(window: Any) -> Rect | None:
    """Where a child of the root is, with its border; None if nobody sees it, or it was just closed."""
    from Xlib.error import BadDrawable, BadWindow

    try:
        return _outer(window) if _viewable(window) else None
    except (BadDrawable, BadWindow):
        return None


def _shown(attributes: Any) -> bool:
    from Xlib import X

    return attributes.map_state == X.IsViewable and attributes.win_class == X.InputOutput


def _error_of(question: Any) -> Exception | None:
    """Waits for the answer; each must be waited for, or it would be taken for that of a later question."""
    from Xlib.error import XError

    try:
        question.reply()
    except XError as error:
        return error
    return None


def _outer(window: Any) -> Rect:
    """With its border, for a child of the root."""
    size = window.get_geometry()
    border = 2 * size.border_width
    return Rect(size.x, size.y, size.width + border, size.height + border)


def _title(display: Any, window: Any) -> str:
    from Xlib.error import BadWindow

    try:
        text = window.get_full_text_property(display.intern_atom("_NET_WM_NAME")) or window.get_wm_name()
    except BadWindow:  # closed meanwhile
        return ""
    return text if isinstance(text, str) else (text or b"").decode("latin-1")
