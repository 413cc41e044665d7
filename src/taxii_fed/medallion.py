"""A backend for medallion 3: its own front end, our views.

In medallion's configuration::

    "backend": {"module": "taxii_fed.medallion", "module_class": "TaxiiFedBackend", "config": "/etc/taxii-fed/taxii-fed.yaml"}

medallion checks the password, against its own ``users``. Whom it let in must be an account of the node by the same name: that account's
party decides what there is. For any other user there is nothing, not even an API root. Everything else, from filters to the sharing rules,
is what the node's own server does: the same endpoints answer, and medallion writes their answers out anew, with its own spelling of
numbers and strings.
"""

from __future__ import annotations

import atexit
import io
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import flask
from medallion import auth
from medallion.exceptions import BackendError, ProcessingError

from taxii_fed.config.load import load
from taxii_fed.core.errors import NotFoundError, RequestError, StoreError
from taxii_fed.core.stix import jsontext
from taxii_fed.core.taxii.resources import TAXII_MEDIA_TYPE
from taxii_fed.services.reading.values import Caller
from taxii_fed.web.answers import Answer
from taxii_fed.web.app import endpoints_of
from taxii_fed.web.errors import refusal, unavailable
from taxii_fed.web.request import Request
from taxii_fed.web.routes import Endpoint, Route
from taxii_fed.web.server import keep_up
from taxii_fed.wiring import open_node

Json = dict[str, Any]
Page = tuple[Json, dict[str, str]]

_DATES = "X-TAXII-Date-Added-"


class TaxiiFedBackend:
    """What medallion asks of a backend. Objects and manifests come as (resource, headers), everything else as a resource.

    Raises medallion's ``ProcessingError`` for requests that can't be served, ``BackendError`` while the store can't be read.
    """

    def __init__(self, *, config: str, **_: Any) -> None:
        """Open the node of a configuration file. Raises `ConfigError` and `StoreError`; medallion then does not start."""
        settings = load(config)
        self._node = open_node(settings)
        self._endpoints = endpoints_of(self._node)
        self._accounts = {
            name: (party, account.expires_at)
            for party, terms in settings.parties.items()
            for name, account in terms.accounts.items()
        }
        self._stop = threading.Event()
        self._upkeep = threading.Thread(
            target=keep_up, args=(lambda: settings, self._node, self._stop), name="upkeep", daemon=True
        )
        self._upkeep.start()
        atexit.register(self.close)

    def close(self) -> None:
        """Write what is still in memory and free the store; a second time does nothing."""
        atexit.unregister(self.close)
        if not self._stop.is_set():
            self._stop.set()
            self._upkeep.join()
            self._node.close()

    # -- what medallion calls -----------------------------------------------------------------------------------------------------

    def server_discovery(self) -> Json | None:
        """Return the discovery resource, None for a stranger."""
        return self._found(Route(Endpoint.DISCOVERY))

    def get_api_root_information(self, api_root: str) -> Json | None:
        """Return an API root's resource, None where there is none; medallion asks for it before anything in that root."""
        return self._found(Route(Endpoint.API_ROOT, api_root))

    def get_status(self, api_root: str, status_id: str) -> Json | None:
        """Return a status resource, None for one that is not the caller's."""
        return self._found(Route(Endpoint.STATUS, api_root, item=status_id))

    def get_collections(self, api_root: str) -> Json | None:
        """Return the collections that the caller may read or write."""
        return self._found(Route(Endpoint.COLLECTIONS, api_root))

    def get_collection(self, api_root: str, collection_id: str) -> Json | None:
        """Return a collection, None where there is none for the caller."""
        return self._found(Route(Endpoint.COLLECTION, api_root, collection_id))

    def get_objects(self, api_root: str, collection_id: str, filter_args: Mapping[str, str], _: object, limit: int) -> Page:
        """Return a page of objects."""
        return self._page(Route(Endpoint.OBJECTS, api_root, collection_id), filter_args, limit)

    def get_object(
        self, api_root: str, collection_id: str, object_id: str, filter_args: Mapping[str, str], _: object, limit: int
    ) -> Page:
        """Return a page of the versions of one object."""
        return self._page(Route(Endpoint.OBJECT, api_root, collection_id, object_id), filter_args, limit)

    def get_object_manifest(
        self, api_root: str, collection_id: str, filter_args: Mapping[str, str], _: object, limit: int
    ) -> Page:
        """Return a page of the manifest."""
        return self._page(Route(Endpoint.MANIFEST, api_root, collection_id), filter_args, limit)

    def get_object_versions(
        self, api_root: str, collection_id: str, object_id: str, filter_args: Mapping[str, str], _: object, limit: int
    ) -> Page:
        """Return a page of the versions resource of one object."""
        return self._page(Route(Endpoint.VERSIONS, api_root, collection_id, object_id), filter_args, limit)

    def add_objects(self, api_root: str, collection_id: str, objs: Json, _: object) -> Json:
        """Take in an envelope, as the bytes that the client sent, and return the status resource."""
        body = flask.request.get_data() or jsontext.dumps(objs)
        return _resource(self._answer("POST", Route(Endpoint.OBJECTS, api_root, collection_id), {}, body))

    def delete_object(
        self, api_root: str, collection_id: str, object_id: str, filter_args: Mapping[str, str], _: object
    ) -> None:
        """Delete versions of an object."""
        self._answer("DELETE", Route(Endpoint.OBJECT, api_root, collection_id, object_id), filter_args)

    # -- how it is answered -------------------------------------------------------------------------------------------------------

    def _found(self, route: Route) -> Json | None:
        try:
            return _resource(self._answer("GET", route, {}))
        except ProcessingError as error:
            if error.status == 404:
                return None
            raise

    def _page(self, route: Route, filter_args: Mapping[str, str], limit: int) -> Page:
        answer = self._answer("GET", route, {**filter_args, "limit": str(limit)})
        return _resource(answer), {name: value for name, value in answer.headers if name.startswith(_DATES)}

    def _answer(self, method: str, route: Route, filters: Mapping[str, str], body: bytes = b"") -> Answer:
        request = Request(_environ(method, filters, body), "", [])
        try:
            request.caller = self._caller()
            return self._endpoints.answer(request, route)
        except RequestError as error:
            raise ProcessingError(_sentence(error.description or error.title), refusal(error, "").status) from error
        except StoreError as error:
            raise BackendError(
                "The server can't answer this right now; send the same request again", unavailable("").status
            ) from error

    def _caller(self) -> Caller:
        """Return who asks. Raises `NotFoundError` for a user of medallion's that is no account here, or one that has expired."""
        user = auth.current_user()
        party, expires_at = self._accounts.get(user, ("", None))
        if not party or (expires_at is not None and expires_at <= self._node.clock.now()):
            raise NotFoundError("There is nothing here for this user.")
        return Caller(party, user, flask.request.remote_addr or "")


def _environ(method: str, filters: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return what the endpoints look at in a request."""
    return {
        "REQUEST_METHOD": method,
        "QUERY_STRING": urlencode(filters),
        "CONTENT_TYPE": TAXII_MEDIA_TYPE,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }


def _resource(answer: Answer) -> Json:
    return jsontext.loads(answer.body)


def _sentence(text: str) -> str:
    """Return a message without its full stop: medallion puts one behind it."""
    return text.removesuffix(".")
