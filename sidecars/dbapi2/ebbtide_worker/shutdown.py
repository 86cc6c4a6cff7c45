"""The end of a connection by its socket."""

import socket


def shutdown(link):
    """Returns the function that ends a connection by its socket, whatever another thread does with it."""

    def end():
        socket.socket.shutdown(link, socket.SHUT_RDWR)

    return end
