"""The options of `framezero setup`: one for each question, so that it can be run unattended."""

from typing import Annotated

import typer

Venue = Annotated[str | None, typer.Option(help="The name of this wall, unique in the show.", show_default=False)]
Show = Annotated[str | None, typer.Option(help="Cues of other shows are refused.", show_default=False)]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", help="A group that cues may address, as @asia; repeatable.", show_default=False),
]
Zone = Annotated[str | None, typer.Option(help="Of the people at the wall: Asia/Tokyo.", show_default=False)]
Brokers = Annotated[
    list[str] | None,
    typer.Option("--broker", help="A broker, such as cue-a.example; repeatable.", show_default=False),
]
Root = Annotated[str | None, typer.Option(help="Root of the topics.", show_default=False)]
Identity = Annotated[
    str | None, typer.Option(help="At the brokers: certificate, password or none.", show_default=False)
]
Ca = Annotated[str | None, typer.Option(help="The certificate of the brokers' authority.", show_default=False)]
Cert = Annotated[str | None, typer.Option(help="The venue's certificate.", show_default=False)]
CertKey = Annotated[str | None, typer.Option(help="The key of the certificate.", show_default=False)]
Username = Annotated[str | None, typer.Option(help="At the brokers, with a password.", show_default=False)]
PasswordFile = Annotated[str | None, typer.Option(help="A file that holds the password alone.", show_default=False)]
TimeServers = Annotated[
    list[str] | None,
    typer.Option(
        "--time-server", help="A time server; 'HOST ours' is one you vouch for; repeatable.", show_default=False
    ),
]
Display = Annotated[str | None, typer.Option(help="The X display, such as :0.", show_default=False)]
Mode = Annotated[str | None, typer.Option(help="What xrandr has set: 1920x1080@50.", show_default=False)]
Region = Annotated[str | None, typer.Option(help="x,y,w,h: the part that is wall.", show_default=False)]
Rotate = Annotated[str | None, typer.Option(help="0, 90, 180 or 270 degrees clockwise.", show_default=False)]
Latency = Annotated[
    str | None, typer.Option("--latency-ms", help="How late the wall shows what it is sent.", show_default=False)
]
CacheDir = Annotated[str | None, typer.Option(help="The folder for films.", show_default=False)]
Quota = Annotated[str | None, typer.Option("--quota-gb", help="The most that films may take.", show_default=False)]
StateDir = Annotated[str | None, typer.Option(help="The folder for cues and records.", show_default=False)]
TrustKeys = Annotated[str | None, typer.Option(help="The folder of the show's public keys.", show_default=False)]
CopyKeys = Annotated[
    list[str] | None,
    typer.Option(help="Public keys (.toml), or a folder of them, to copy there; repeatable.", show_default=False),
]
Threshold = Annotated[str | None, typer.Option(help="So many show keys a cue needs.", show_default=False)]
