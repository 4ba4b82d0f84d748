"""A proxy between an SDK and a server that takes each request whole, shows it, and sends it on byte by byte as it came."""

import contextlib
import socket
import threading

from forms.wire import Stream, exchange


class Recorder:
    """`look` is called with each request before it is sent on; `mistakes` holds what it, or a connection, raised."""

    def __init__(self, upstream, look):
        self.upstream = upstream
        self.look = look
        self.mistakes = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = self.listener.getsockname()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.talk, args=[connection], daemon=True).start()

    def talk(self, connection):
        with connection:
            try:
                stream = Stream(connection)
                while request := stream.request():
                    self.look(request)
                    connection.sendall(exchange(self.upstream, request).raw)
            except ConnectionError:
                pass  # The SDK has what it wanted.
            except Exception as mistake:  # noqa: BLE001 (told by the scenario, whatever it is)
                self.mistakes.append(mistake)

    def __enter__(self):
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        # Wakes `accept`, which closing alone does not.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
