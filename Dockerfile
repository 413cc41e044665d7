# One node. The folder /var/lib/taxii-fed holds its configuration, key and store; nothing else is written.
#
#   docker run --rm -v taxii-fed:/var/lib/taxii-fed taxii-fed init /var/lib/taxii-fed/node --name hub --organisation "My Hub" ...
#   docker run -v taxii-fed:/var/lib/taxii-fed -p 8421:8421 --read-only --tmpfs /tmp taxii-fed run
FROM python:3.13-slim

ENV PIP_NO_CACHE_DIR=1
COPY . /usr/src/taxii-fed
RUN /usr/src/taxii-fed/deploy/install.sh --extras mongodb --state /var/lib/taxii-fed --owner 10001:10001 /opt/taxii-fed

ENV PATH=/opt/taxii-fed/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    TAXII_FED_CONFIG=/var/lib/taxii-fed/node/taxii-fed.yaml
USER 10001:10001
WORKDIR /var/lib/taxii-fed
VOLUME /var/lib/taxii-fed
EXPOSE 8421
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8421/livez', timeout=4)"]
ENTRYPOINT ["taxii-fed"]
CMD ["run"]
