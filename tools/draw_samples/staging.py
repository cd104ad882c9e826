"""Product images as shops take them: packed or loose, cluttered, cropped, in any light.

`draw` shows one product on a table; that is too easy. Real images of one product differ more than
images of two products: another package, another light, something else in the frame, a label across
it. `draw_staged` adds all that, in the same ways for every product.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zlib import crc32

import cv2
import numpy as np

from similarity_lab.samples import PRODUCTS

from . import bottles, fruit, grains, items, nuts, vessels
from .camera import develop
from .drawing import Flat, Upright, catalogue, draw
from .items import Item
from .lettering import write
from .packages import Emblem, carton, pouch, tin
from .pixels import Floats, Pixels, Rng, blur, grid, mix, pick, polygon, rgb, step
from .plants import lay_leaves, leaf, sunflower
from .prints import logo
from .scene import Light, Scene
from .surfaces import tabletop, wall

_SUPERSAMPLE = 1.5


@dataclass(frozen=True)
class Staging:
    """How a product is staged.

    Attributes
    ----------
    item : Item
    loose : tuple
        Ways to spread it over the frame, seen from above.
    held : tuple
        Ways to put it into a vessel, seen from above.
    upright : tuple
        Ways to stand it before a wall.
    emblem : callable
        What its packages show.
    """

    item: Item
    loose: tuple[Flat, ...]
    held: tuple[Flat, ...]
    upright: tuple[Upright, ...]
    emblem: Emblem


def _item(name: str) -> Item:
    return catalogue()[name].item


_LOOSE = (items.spread, items.scatter, items.heap, items.few)
_HELD = (vessels.bowl, vessels.bowl, vessels.bag)
_JAR = (vessels.jar,)


def dish(absorbs: Floats) -> Flat:
    """Return a way to show a liquid: in a shallow bowl."""

    def pour(rng: Rng, scene: Scene, item: Item) -> None:
        k, radius = float(rng.uniform(0.5, 1.0)), scene.unit * rng.uniform(0.34, 0.48)
        center = scene.shape[1] * rng.uniform(0.46, 0.54), scene.shape[0] * rng.uniform(0.42, 0.5)
        depth = rng.uniform(1.2, 2.2)
        inside = np.exp(-depth * absorbs).astype(np.float32)
        top = vessels.empty_bowl(rng, scene, center, radius, k, inside)
        x, y = scene.around(center, radius)
        pool = step(np.hypot(x, y / k), 0.9, 0.86)
        # Seen from the side the way through the liquid is longer: darker at the far rim
        deep = np.exp(-(depth + 0.8 * step(y, 0.2, -0.8 * k))[..., None] * absorbs)
        scene.paint(pool, deep, top, 0.15)
        side = pick(rng, (-1, 1))
        glint = step(np.abs(np.hypot(x - 0.1 * side, y / k) - 0.66), 0.05, 0.02)
        glint = glint * step(side * x, 0.25, 0.5) * pool
        scene.color[:] = mix(scene.color, 1.0, 0.7 * glint)

    return pour


_COCONUT = Item("COCONUT", fruit.coconut_piece, 0.14, 1.0, rgb(200, 190, 175))
_CHOCOLATE = Item("COCOA", grains.chocolate, 0.20, 1.0, rgb(60, 34, 22))

_STAGING: Mapping[str, Staging] = {
    "almonds": Staging(_item("almonds"), _LOOSE, _HELD, _JAR, nuts.almond),
    "cocoa": Staging(
        _CHOCOLATE,
        (grains.cocoa_heap, grains.cocoa_field, items.scatter, items.heap),
        (grains.cocoa_bowl, grains.cocoa_bowl, vessels.bag),
        _JAR,
        grains.chocolate,
    ),
    "coconut": Staging(
        _COCONUT,
        (fruit.coconuts, fruit.coconuts, items.scatter, items.heap),
        _HELD,
        _JAR,
        fruit.half_coconut,
    ),
    "dates": Staging(_item("dates"), _LOOSE, _HELD, _JAR, fruit.date),
    "hazelnuts": Staging(_item("hazelnuts"), _LOOSE, _HELD, _JAR, nuts.hazelnut),
    "maple syrup": Staging(
        _item("maple syrup"),
        (),
        (dish(bottles.AMBER),),
        (bottles.syrup_bottles, bottles.syrup_bottles, bottles.pancakes),
        leaf,
    ),
    "oats": Staging(_item("oats"), _LOOSE, _HELD, _JAR, grains.oat),
    "peanuts": Staging(_item("peanuts"), _LOOSE, _HELD, _JAR, nuts.peanut),
    "sunflower oil": Staging(
        _item("sunflower oil"),
        (),
        (dish(bottles.GOLD),),
        (bottles.oil_bottles, bottles.oil_bottles),
        sunflower,
    ),
}
_COMPANY = tuple(name for name in PRODUCTS if _STAGING[name].loose)
# How often each kind of arrangement is used; they take turns from seed to seed
_TURNS = ("loose", "held", "loose", "upright", "loose", "held", "packed", "loose")


def draw_staged(subject: str, *, seed: int, size: tuple[int, int], name: str = "") -> Pixels:
    """Return a generated image of `subject` as a shop might show it.

    Parameters
    ----------
    subject : str
        One of `PRODUCTS` or `OTHERS`; the latter are drawn as `draw` draws them.
    seed : int
        0 or more. The arrangements of a product (loose, in a vessel, packed, …) take turns.
    size : (height, width)
        In pixels.
    name : str
        Whose logo it is.

    Returns
    -------
    (height, width, 3) uint8, RGB
    """
    if subject == "logo" and name:
        rng = np.random.default_rng([seed, crc32(name.encode())])
        shape = round(size[0] * _SUPERSAMPLE), round(size[1] * _SUPERSAMPLE)
        return develop(rng, logo(rng, shape, name.upper()), size, flat=True)
    if subject not in PRODUCTS:
        return draw(subject, seed=seed, size=size)
    rng = np.random.default_rng([seed, crc32(subject.encode()), 3])
    shape = round(size[0] * _SUPERSAMPLE), round(size[1] * _SUPERSAMPLE)
    staging = _STAGING[subject]
    turn = _TURNS[seed % len(_TURNS)]
    if turn == "loose" and not staging.loose:
        turn = "upright"
    scene = _STAGES[turn](rng, staging, shape)
    lit = _lit(rng, scene)
    if turn in ("loose", "held"):
        lit = _framed(rng, lit)
    image = develop(rng, lit, size, flat=turn in ("upright", "packed"))
    image = _adjusted(rng, image)
    return _overlaid(rng, image) if rng.random() < 0.2 else image


def _loose(rng: Rng, staging: Staging, shape: tuple[int, int]) -> Scene:
    scene = tabletop(rng, shape)
    scene.scale = float(rng.uniform(0.75, 1.1))
    if rng.random() < 0.45:
        _props(rng, scene)
    pick(rng, staging.loose)(rng, scene, staging.item)
    if rng.random() < 0.5:
        _company(rng, scene, staging)
    return scene


def _held(rng: Rng, staging: Staging, shape: tuple[int, int]) -> Scene:
    scene = tabletop(rng, shape)
    if rng.random() < 0.5:
        _props(rng, scene)
    if rng.random() < 0.45:  # another product's bowl, partly outside the frame
        other = _STAGING[pick(rng, _COMPANY)]
        vessels.bowl(rng, _part(rng, scene, 0.6, corner=True), other.item)
    pick(rng, staging.held)(rng, _part(rng, scene, float(rng.uniform(0.6, 1.0))), staging.item)
    if rng.random() < 0.4:
        _company(rng, scene, staging)
    return scene


def _upright(rng: Rng, staging: Staging, shape: tuple[int, int]) -> Scene:
    scene, edge = wall(rng, shape)
    pick(rng, staging.upright)(rng, scene, staging.item, edge)
    return scene


def _packed(rng: Rng, staging: Staging, shape: tuple[int, int]) -> Scene:
    name = staging.item.name
    if rng.random() < 0.4:
        scene = tabletop(rng, shape)
        pouch(rng, _part(rng, scene, float(rng.uniform(0.75, 1.0))), name, staging.emblem)
        if rng.random() < 0.5 and staging.loose:
            _strewn(rng, scene, staging.item)
        return scene
    scene, edge = wall(rng, shape)
    number = pick(rng, (1, 1, 2))
    stand = pick(rng, (carton, tin))
    if number == 1:
        stand(rng, scene, name, staging.emblem, edge)
        return scene
    rows, columns = scene.shape
    for k in range(number):
        half = scene.window(0, k * columns // 2, rows, columns // 2)
        stand(rng, half, name, staging.emblem, edge)
    return scene


_STAGES: Mapping[str, Callable[[Rng, Staging, tuple[int, int]], Scene]] = {
    "loose": _loose,
    "held": _held,
    "upright": _upright,
    "packed": _packed,
}


def _part(rng: Rng, scene: Scene, share: float, *, corner: bool = False) -> Scene:
    """Return a window of the scene, `share` of its sides, somewhere or in a corner."""
    rows, columns = (round(share * side) for side in scene.shape)
    free = scene.shape[0] - rows, scene.shape[1] - columns
    if corner:
        top, left = (pick(rng, (0, side)) for side in free)
    else:
        top, left = (int(rng.integers(side + 1)) for side in free)
    return scene.window(top, left, rows, columns)


def _strewn(rng: Rng, scene: Scene, item: Item) -> None:
    """Strew a few pieces of an item near the edges of the frame."""
    hand = items.Hand(rng, item, scene.unit * item.size * rng.uniform(0.6, 1.0), kinds=3)
    for _ in range(int(rng.integers(3, 10))):
        angle = rng.uniform(0, 2 * np.pi)
        far = rng.uniform(0.36, 0.52)
        spot = (0.5 + far * np.array([np.cos(angle), np.sin(angle)])) * scene.shape[::-1]
        hand.put(scene, (spot[0], spot[1]), lean=0.04)


def _company(rng: Rng, scene: Scene, staging: Staging) -> None:
    """Strew a few pieces of another product."""
    others = [_STAGING[name].item for name in _COMPANY if _STAGING[name] is not staging]
    _strewn(rng, scene, pick(rng, others))


def _props(rng: Rng, scene: Scene) -> None:
    """Lay something under it that is not the product: a board, a napkin, leaves, a flower."""
    kind = rng.integers(5)
    if kind == 0:
        lay_leaves(rng, scene, float(rng.uniform(0.3, 0.8)), int(rng.integers(0, 14)))
    elif kind == 1:
        width = scene.unit * rng.uniform(0.3, 0.5)
        spot = rng.choice([0.12, 0.88], 2) * scene.shape[::-1]
        flower = pick(rng, (sunflower, leaf))(rng, round(width))
        scene.place(flower, (spot[0], spot[1]), width, float(rng.uniform(0, 6)))
    elif kind == 2:
        width = scene.unit * rng.uniform(0.5, 0.8)
        spot = rng.uniform(0.1, 0.9, 2) * scene.shape[::-1]
        spoon, _ = grains.scoop(rng, round(width))
        scene.place(spoon, (spot[0], spot[1]), width, float(rng.uniform(0, 6)))
    else:  # a board or a napkin, askew
        turn, away = rng.uniform(0, np.pi), rng.uniform(-0.15, 0.15, 2)
        corners = np.array([(-0.42, -0.3), (0.42, -0.3), (0.42, 0.3), (-0.42, 0.3)])
        cos, sin = np.cos(turn), np.sin(turn)
        corners = 0.5 + away + corners @ np.array([[cos, sin], [-sin, cos]])
        mask = polygon(scene.shape, corners)
        cloth = tabletop(rng, scene.shape)
        lift = scene.unit * (0.03 if kind == 3 else 0.008)
        scene.paint(mask, cloth.color, scene.height + cloth.height + lift)


def _lit(rng: Rng, scene: Scene) -> Floats:
    """Return the scene in any light: from any side, hard or soft, warm or cold, bright or dim."""
    light = Light.random(rng)
    if rng.random() < 0.4:
        azimuth, elevation = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(25, 75))
        flat = np.cos(elevation)
        direction = (flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation))
        light = Light(tuple(map(float, direction)), float(rng.uniform(0.1, 0.95)))
    lit = scene.shade(light)
    warmth = rng.normal(0, 0.1)
    tint = np.exp(np.array([warmth, 0.03 * rng.normal(), -1.3 * warmth])).astype(np.float32)
    lit = lit * tint * np.float32(np.exp(rng.normal(0.08, 0.22)))
    if rng.random() < 0.3:  # the shadow of a window bar or a person falls across
        x, y = grid(scene.shape)
        turn = rng.uniform(0, 2 * np.pi)
        along = x * np.cos(turn) + y * np.sin(turn) - rng.uniform(-0.4, 0.4)
        lit = lit * (1 - rng.uniform(0.3, 0.65) * step(along, -0.1, 0.15))[..., None]
    return lit


def _framed(rng: Rng, lit: Floats) -> Floats:
    """Return a cut-out of the scene: turned, off centre, nearer."""
    rows, columns = lit.shape[:2]
    turn = float(rng.normal(0, 12))
    zoom = 1.0 + abs(np.sin(np.radians(turn))) + float(rng.uniform(0, 0.45))
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), turn, zoom)
    slack = 0.5 * (1 - 1 / zoom) * zoom * 0.6
    matrix[:, 2] += rng.uniform(-slack, slack, 2) * (columns, rows) * 0.6
    edge = cv2.BORDER_REFLECT_101
    framed = cv2.warpAffine(lit, matrix, (columns, rows), borderMode=edge)
    return framed


def _adjusted(rng: Rng, image: Pixels) -> Pixels:
    """Return the image with another contrast, saturation and sharpness, as cameras differ."""
    pixels = image.astype(np.float32) / 255
    gray = pixels @ np.array([0.3, 0.59, 0.11], np.float32)
    saturation, contrast = np.exp(rng.normal(0, 0.2)), np.exp(rng.normal(0.03, 0.14))
    pixels = gray[..., None] + (pixels - gray[..., None]) * np.float32(saturation)
    pixels = 0.5 + (pixels - 0.5) * np.float32(contrast)
    if rng.random() < 0.25:
        pixels = blur(pixels, float(rng.uniform(0.5, 1.2)))
    return np.asarray(np.clip(pixels * 255 + 0.5, 0, 255), np.uint8)


def _overlaid(rng: Rng, image: Pixels) -> Pixels:
    """Return the image with what shops put on top: a badge, a watermark, a strip, a frame."""
    pixels = (image.astype(np.float32) / 255) ** 2.2
    rows, columns = pixels.shape[:2]
    red, white = rgb(200, 40, 45), rgb(252, 252, 250)
    accent = pick(rng, (red, rgb(40, 110, 70), rgb(30, 70, 130), rgb(240, 170, 30)))
    kind = rng.integers(4)
    if kind == 0:
        x, y = grid((rows, columns))
        cx, cy = rng.choice([-0.68, 0.68], 2)
        pixels = mix(pixels, accent, step(np.hypot(x - cx, y - cy), 0.28, 0.26))
        text = pick(rng, ("-20%", "NEW", "BIO", "SALE", "1 kg"))
        write(pixels, text, (0.5 + cx / 2, 0.5 + cy / 2), (0.2, 0.1), white)
    elif kind == 1:
        faded = pixels.copy()
        write(faded, pick(rng, vessels.BRANDS), (0.5, 0.5), (0.8, 0.16), white)
        pixels = mix(pixels, faded, 0.5)
    elif kind == 2:
        strip = round(rows * rng.uniform(0.14, 0.2))
        pixels[-strip:] = accent
        text = pick(rng, ("FREE SHIPPING", "SPECIAL OFFER", "BEST SELLER"))
        write(pixels, text, (0.5, 1 - strip / rows / 2), (0.8, 0.6 * strip / rows), white)
    else:
        width = round(min(rows, columns) * rng.uniform(0.04, 0.1))
        ground = pick(rng, (white, accent))
        pixels[:width], pixels[-width:] = ground, ground
        pixels[:, :width], pixels[:, -width:] = ground, ground
    return np.asarray(np.clip(pixels, 0, 1) ** (1 / 2.2) * 255 + 0.5, np.uint8)
