"""Figures to explore: one call gives a slider that works in a static page, and a live one in JupyterLab and Colab.

In a built page, and wherever no person is at the kernel (papermill, nbval), the frames are computed once and shown
under a plain range input: no library, no request to any host, and the keyboard works. In a live kernel a frame is drawn
when it is chosen. (No `Output` widget: it can hang an execution without a front end.) Explorables have several
controls: in a page book/_static/explorables.js draws them, in a live kernel the same form.
"""

import base64
import html
import io
import json
import os
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence

import ipywidgets
import matplotlib.pyplot as plt
from IPython.display import HTML, display
from matplotlib.figure import Figure

SCRIPT = (
    "const f=this.closest('figure');f.querySelectorAll('img').forEach((i,n)=>i.hidden=n!=this.value);"
    "const t=f.querySelectorAll('img')[this.value].dataset.label;"
    "f.querySelector('output').textContent=t;this.setAttribute('aria-valuetext',t)"
)


def explore(draw: Callable[[object], Figure], frames: Mapping[str, object], label: str, caption: str, start: int = 0):
    """Show `draw(value)` for the value that a slider chooses.

    draw: value -> a matplotlib figure.  frames: label of each frame -> its value, in order.  label: what the slider
    changes.  caption: describes the figure; with the frame's label it is the image's alternative text.
    start: index of the frame shown first.
    """
    given = (draw, frames, label, caption, start)
    display(_live(*given) if is_live() else HTML(static(*given)))


def explorable(name: str, data: object, draw: Callable[..., Figure], controls: Mapping[str, Sequence], caption: str):
    """Show a picture that follows several controls: in a page drawn by explorables.js, in a live kernel by `draw`.

    name: one of explorables.js.  data: what it draws, for JSON.  draw: a value of each control -> a matplotlib figure;
    the first one is the page's still picture, for readers without JavaScript.  controls: label -> a list of values, or
    a tuple (start, least, most, step).  caption: describes the figure.
    """
    if is_live():
        display(_form(draw, [_control(*one) for one in controls.items()], caption))
        return
    source = base64.b64encode(_png(draw(*(values[0] for values in controls.values())))).decode()
    said = html.escape(caption)
    numbers = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    page = f"""<figure class="explorable" data-name="{name}"><img src="data:image/png;base64,{source}" alt="{said}">
<noscript><p>With JavaScript, this picture can be moved.</p></noscript><figcaption>{said}</figcaption>
<script type="application/json">{numbers}</script></figure>"""
    display(HTML(page))


def is_live() -> bool:
    """Is a person at the kernel? True in Colab and in a notebook that Jupyter's server has opened."""
    return "google.colab" in sys.modules or "JPY_SESSION_NAME" in os.environ


def static(draw: Callable[[object], Figure], frames: Mapping[str, object], label: str, caption: str, start: int) -> str:
    """The HTML of a figure with a range input over its frames; without JavaScript the first frame shows."""
    images = []
    name = f"frames-{uuid.uuid5(uuid.NAMESPACE_OID, caption).hex[:8]}"
    for index, (title, value) in enumerate(frames.items()):
        source = base64.b64encode(_png(draw(value))).decode()
        images.append(
            f'<img src="data:image/png;base64,{source}" data-label="{html.escape(title)}" '
            f'alt="{html.escape(f"{caption} Here: {title}.")}"{"" if index == start else " hidden"}>'
        )
    first = html.escape(list(frames)[start])
    return (
        f'<figure class="softlab-frames">{"".join(images)}'
        f'<div><label for="{name}">{html.escape(label)}</label> '
        f'<input id="{name}" type="range" min="0" max="{len(frames) - 1}" value="{start}" step="1" '
        f'aria-valuetext="{first}" oninput="{html.escape(SCRIPT)}"> <output for="{name}">{first}</output></div>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _live(draw, frames, label, caption, start):
    """The same with ipywidgets: each frame is drawn when it is chosen."""
    options = {"options": list(frames.items()), "index": start, "layout": {"width": "90%"}}
    return _form(draw, [ipywidgets.SelectionSlider(description=label, continuous_update=False, **options)], caption)


def _control(label, values):
    if isinstance(values, list):
        return ipywidgets.Dropdown(options=values, description=label)
    limits = dict(zip(("value", "min", "max", "step"), values, strict=True))
    return ipywidgets.FloatSlider(description=label, continuous_update=False, **limits)


def _form(draw, controls, caption):
    """What `draw` makes of the controls' values, above the controls: redrawn when one of them moves."""

    def drawn(_=None):
        image.value = _png(draw(*(one.value for one in controls)))

    image = ipywidgets.Image(format="png")
    drawn()
    for one in controls:
        one.observe(drawn, names="value")
    return ipywidgets.VBox([image, *controls, ipywidgets.HTML(f"<p>{html.escape(caption)}</p>")])


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    plt.close(figure)
    return content.getvalue()
