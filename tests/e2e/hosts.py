"""
Mail hosts of many domains in one thread, on loopback addresses of their own: good ones, and bad ones
that at random refuse, stall, break off, or vanish behind the final dot. All messages that came
whole are counted by their X-Token.
"""

import asyncio
import collections
import random
import re
import secrets
import socket
import struct
import threading

STALL_SECONDS = 3600
TOKEN = re.compile(rb"^X-Token: (\S+)\r\n", re.M)

# what a bad host does with a connection, and how often
WHIMS = {
    "well": 40,
    "greeting-5": 4,
    "greeting-4": 8,
    "greeting-stall": 4,
    "greeting-close": 8,
    "ehlo-close": 4,
    "rcpt-5": 6,
    "rcpt-4": 8,
    "data-4": 6,
    "data-stall": 3,
    "data-reset": 6,
    "end-4": 6,
    "end-5": 3,
    "end-vanish": 8,  # it is taken, and we never hear of it
    "end-stall": 2,
}


class Vanish(Exception):
    pass


class Hosts:
    def __init__(self, good, bad, seed, port=25):
        second = 1 + secrets.randbelow(250)
        third = secrets.randbelow(200)
        names = [f"127.{second}.{third + n // 250}.{1 + n % 250}" for n in range(good + bad)]
        self.good, self.bad = names[:good], names[good:]
        self.port = port
        self.random = random.Random(seed)
        self.replied = collections.Counter()  # by token: taken, and said so
        self.doubtful = collections.Counter()  # taken, and not said
        self.refused = collections.Counter()  # for good
        self.times = {}  # by token: when it was taken first
        self.connections = 0
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        assert self.ready.wait(20)

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.listen())
        self.ready.set()
        self.loop.run_forever()

    async def listen(self):
        for name in self.good:
            await asyncio.start_server(self.serve_well, name, self.port, limit=1 << 20)
        for name in self.bad:
            await asyncio.start_server(self.serve_badly, name, self.port, limit=1 << 20)

    def stop(self):
        def end():
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.call_later(0.2, self.loop.stop)

        self.loop.call_soon_threadsafe(end)
        self.thread.join(10)

    async def serve_well(self, reader, writer):
        await self.serve(reader, writer, "well")

    async def serve_badly(self, reader, writer):
        whim = self.random.choices(list(WHIMS), list(WHIMS.values()))[0]
        await self.serve(reader, writer, whim)

    async def serve(self, reader, writer, whim):
        self.connections += 1
        try:
            await self.talk(reader, writer, whim)
        except (Vanish, ConnectionError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            if whim.endswith("-reset"):
                s = writer.get_extra_info("socket")
                if s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.close()

    async def step(self, writer, name, whim, good):
        """The reply at that place, or what the whim makes of it."""
        place, _, what = whim.partition("-")
        if place != name:
            writer.write(good)
            return True
        if what == "stall":
            await asyncio.sleep(STALL_SECONDS)
        if what in ("close", "reset", "vanish"):
            raise Vanish
        writer.write(f"{what}50 {what}.0.0 not today\r\n".encode())
        if name == "greeting":
            await writer.drain()
            raise Vanish
        return False

    async def talk(self, reader, writer, whim):
        await self.step(writer, "greeting", whim, b"220 there.example ESMTP\r\n")
        recipients = 0
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                await self.step(writer, "ehlo", whim, b"250-there.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif verb == b"RCPT":
                if await self.step(writer, "rcpt", whim, b"250 2.1.5 ok\r\n"):
                    recipients += 1
            elif verb == b"DATA":
                if recipients == 0:
                    writer.write(b"503 5.5.1 no recipients\r\n")
                elif await self.step(writer, "data", whim, b"354 go on\r\n"):
                    await self.take(await reader.readuntil(b"\r\n.\r\n"), writer, whim)
                recipients = 0
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                writer.write(b"250 2.0.0 ok\r\n")

    async def take(self, data, writer, whim):
        token = TOKEN.search(data)[1].decode()
        is_kept = not re.match(r"end-[45]", whim)
        if is_kept:
            self.times.setdefault(token, self.loop.time())
        if whim.startswith("end-") and is_kept:
            self.doubtful[token] += 1
        elif is_kept:
            self.replied[token] += 1
        await self.step(writer, "end", whim, b"250 2.0.0 taken\r\n")
