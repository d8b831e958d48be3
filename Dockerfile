# Images of Margay.
#
#   docker build -t margay .                        margayd, margayctl and margay-cni
#   docker build -t margay-tor --target tor .       a router with FRR, for docker-compose.yml
#   docker build -t margay-etcd --target etcd .     a member of etcd, for docker-compose.yml

FROM node:26-bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev musl-tools && rm -rf /var/lib/apt/lists/*
WORKDIR /margay
COPY .npmrc package.json package-lock.json ./
COPY bgp/package.json bgp/
COPY netlink/package.json netlink/
# Of the packages only those that the bundles are made of and by (the "dependencies").
RUN npm ci --omit=dev --ignore-scripts --loglevel=error
COPY . .
RUN npm run --silent build

FROM debian:12-slim AS tor
RUN apt-get update \
  && apt-get install -y --no-install-recommends frr iproute2 iputils-ping \
  && rm -rf /var/lib/apt/lists/* \
  && sed -i 's/^bgpd=no/bgpd=yes/' /etc/frr/daemons
CMD ["bash", "-c", "install -d -o frr -g frr /run/frr && . /usr/lib/frr/frrcommon.sh && exec /usr/lib/frr/watchfrr $(daemon_list)"]

FROM debian:12-slim AS etcd
RUN apt-get update && apt-get install -y --no-install-recommends etcd-server etcd-client && rm -rf /var/lib/apt/lists/*
CMD ["etcd"]

# The last stage is the one that `docker build` makes unless it is told otherwise.
FROM node:26-bookworm-slim AS margay
RUN apt-get update && apt-get install -y --no-install-recommends iproute2 iputils-ping && rm -rf /var/lib/apt/lists/*
COPY --from=build /margay/dist /opt/margay
RUN mkdir -p /opt/cni/bin /etc/margay /run/margay \
  && ln -s /opt/margay/margay-cni /opt/cni/bin/margay-cni \
  && chmod +x /opt/margay/margayd.js /opt/margay/margayctl.js \
  && ln -s /opt/margay/margayd.js /usr/local/bin/margayd \
  && ln -s /opt/margay/margayctl.js /usr/local/bin/margayctl
COPY LICENSE /usr/share/doc/margay/
CMD ["margayd"]
