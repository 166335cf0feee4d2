// One address under which several control planes answer: what haproxy and keepalived are told on each of them. Pure.
import { formatAddress, parseAddress } from "../config/network.ts";
import type { ClusterSettings, HostSpec } from "../config/settings.ts";
import type { Setting } from "../provider/shell.ts";
import { API_PORT, controlPlanes } from "./kubeadm.ts";

/** Packages of the distribution, beside those of every host. */
export const ENDPOINT_PACKAGES = ["haproxy", "keepalived"];
/** What stands in keepalived's configuration for the card that has the host's address, and in the line for its peers; the step puts them there. */
const CARD = "@CARD@";
const PEERS = "@PEERS@";

/** Settings of the step `endpoint` on one control plane. */
export function endpointSettings(host: HostSpec, cluster: ClusterSettings): Record<string, Setting> {
	const { apiEndpoint } = cluster;
	if (!apiEndpoint) throw new Error("no apiEndpoint in the stack"); // who calls this has asked
	return {
		ADDRESS: host.address,
		ENDPOINT: apiEndpoint.address,
		PORT: apiEndpoint.port,
		HAPROXY_CONFIG: haproxyConfig(cluster, apiEndpoint),
		PEERS: controlPlanes(cluster)
			.filter(({ name }) => name !== host.name)
			.map(({ address }) => address),
		KEEPALIVED_CONFIG: keepalivedConfig(host, cluster, apiEndpoint),
	};
}

/**
 * For haproxy 1.5, CentOS 7's, and later. It passes TLS on as it is, to those whose /readyz says 200.
 * `transparent`: it listens on an address that this host may not have, and on no other. A watch may be silent for minutes: the API server ends it within the hour.
 */
function haproxyConfig(cluster: ClusterSettings, { address, port }: NonNullable<ClusterSettings["apiEndpoint"]>): string {
	const servers = controlPlanes(cluster).map((host) => `    server ${host.name} ${host.address}:${API_PORT}`);
	return `${[
		"# Written by kubeadm-lab.",
		"global",
		"    maxconn 8000",
		"    user haproxy",
		"    group haproxy",
		"defaults",
		"    mode tcp",
		"    retries 2",
		"    timeout connect 3s",
		"    timeout client 2h",
		"    timeout server 2h",
		"    timeout check 3s",
		"    option clitcpka",
		"    option srvtcpka",
		"frontend kubernetes-api",
		`    bind ${address}:${port} transparent`,
		"    default_backend control-planes",
		"backend control-planes",
		"    balance roundrobin",
		"    option redispatch",
		"    option httpchk GET /readyz",
		"    http-check expect status 200",
		"    default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions",
		...servers.map((server) => `${server} check check-ssl verify none`),
	].join("\n")}\n`;
}

/**
 * For keepalived 1.3, CentOS 7's, and later. To each other by unicast, which every network carries. The address stays where it is when its first carrier comes back;
 * it goes from a host whose haproxy has ended.
 */
function keepalivedConfig(host: HostSpec, cluster: ClusterSettings, { address }: NonNullable<ClusterSettings["apiEndpoint"]>): string {
	return `${[
		"# Written by kubeadm-lab.",
		"global_defs {",
		`    router_id ${host.name}`,
		"    script_user root",
		"    enable_script_security",
		"}",
		"vrrp_script haproxy {",
		'    script "/usr/bin/systemctl is-active --quiet haproxy.service"',
		"    interval 2",
		"    fall 2",
		"    rise 1",
		"}",
		"vrrp_instance kubernetes_api {",
		"    state BACKUP",
		"    nopreempt",
		`    interface ${CARD}`,
		`    virtual_router_id ${routerId(address)}`,
		`    priority ${200 - controlPlanes(cluster).indexOf(host)}`,
		"    advert_int 1",
		"    garp_master_refresh 5", // who has asked a host that is gone by now
		`    unicast_src_ip ${host.address}`,
		PEERS,
		"    virtual_ipaddress {",
		`        ${address}/32 dev ${CARD}`,
		"    }",
		"    track_script {",
		"        haproxy",
		"    }",
		"}",
	].join("\n")}\n`;
}
/** 1 to 255, another for each address of a /24: two clusters in one network are two routers. */
const routerId = (address: string): number => Number(formatAddress(parseAddress(address) ?? 0).split(".")[3]) || 255;
