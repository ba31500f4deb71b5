"""Messages to a URL that somebody wrote down: the other side is whoever they say it is."""

import httpcore
from django.conf import settings

from notifications.channels.base import SEND_SECONDS, DeliveryError, Message
from notifications.outgoing_http import Answer, PrivateAddress, post


def post_message(message: Message, *, read_bytes: int = 0) -> Answer:
    """POST `message.raw` to its address; raises DeliveryError where no answer came."""
    try:
        return post(
            message.address,
            body=message.raw,
            headers=message.headers,
            seconds=SEND_SECONDS,
            allow_private=settings.WEBHOOK_ALLOW_PRIVATE,
            read_bytes=read_bytes,
        )
    except PrivateAddress as error:
        raise DeliveryError(
            "The address leads into a private network.", permanent=True, breaks_address=True
        ) from error
    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
        raise DeliveryError(
            f"No connection: {error or 'it took too long'}.", provider_is_down=True
        ) from error
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.RemoteProtocolError,
    ) as error:
        raise DeliveryError(
            "The other side fell silent.", may_have_arrived=True, provider_is_down=True
        ) from error
