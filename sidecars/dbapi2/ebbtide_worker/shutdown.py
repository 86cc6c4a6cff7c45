"""The end of a connection by its socket."""

import socket


def shutdown(link):
    """Returns the function that ends a connection by its socket, whatever another thread does with it."""

    def end():
        socket.socket.shutdown(link, socket.SHUT_RDWR)

    return end


def socket_by_number(descriptor):
    """Returns a copy of a socket of which a module tells no more than the number, which might become another's."""
    # The family does not matter to what is done with it.
    return socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM)
