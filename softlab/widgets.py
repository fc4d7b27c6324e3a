"""Figures to explore: one call gives a slider that works in a static page, and a live one in JupyterLab and Colab.

In a built page, and in everything that is executed without a person (papermill, nbval), the frames are computed once
and shown under a plain range input: no library, no request to any host, and the keyboard works. In a live kernel
the frame is drawn when it is asked for. (No `Output` widget: it can hang an execution without a front end.)
"""

import base64
import html
import io
import os
import sys
import uuid
from collections.abc import Callable, Mapping

from matplotlib.figure import Figure

SCRIPT = (
    "const f=this.closest('figure');f.querySelectorAll('img').forEach((i,n)=>i.hidden=n!=this.value);"
    "const t=f.querySelectorAll('img')[this.value].dataset.label;"
    "f.querySelector('output').textContent=t;this.setAttribute('aria-valuetext',t)"
)


def explore(draw: Callable[[object], Figure], frames: Mapping[str, object], label: str, caption: str, start: int = 0):
    """Show `draw(value)` for the value that a slider chooses.

    draw: value -> a matplotlib figure.  frames: label of each frame -> its value, in order.  label: what the slider
    changes.  caption: says what is to be seen; with the frame's label it is the image's alternative text.
    start: index of the frame shown first.
    """
    from IPython.display import HTML, display

    given = (draw, frames, label, caption, start)
    display(_live(*given) if is_live() else HTML(static(*given)))


def is_live() -> bool:
    """Is there a person with a kernel? True in Colab and in a notebook that Jupyter's server has opened."""
    return "google.colab" in sys.modules or "JPY_SESSION_NAME" in os.environ


def static(draw: Callable[[object], Figure], frames: Mapping[str, object], label: str, caption: str, start: int) -> str:
    """The HTML of a figure whose frames lie under a range input; without JavaScript the first frame is seen."""
    images, name = [], f"frames-{uuid.uuid5(uuid.NAMESPACE_OID, caption).hex[:8]}"
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
    import ipywidgets

    options = list(frames.items())
    image = ipywidgets.Image(value=_png(draw(options[start][1])), format="png")
    slider = ipywidgets.SelectionSlider(
        options=options, index=start, description=label, continuous_update=False, layout={"width": "90%"}
    )
    slider.observe(lambda change: setattr(image, "value", _png(draw(change["new"]))), names="value")
    return ipywidgets.VBox([image, slider, ipywidgets.HTML(f"<p>{html.escape(caption)}</p>")])


def _png(figure: Figure) -> bytes:
    import matplotlib.pyplot as plt

    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    plt.close(figure)
    return content.getvalue()
