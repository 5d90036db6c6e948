"""The Secrets that the chart's examples name, as somebody makes them with kubectl."""

KEY = "5f" * 32
OPERATOR = "tipstaff-operator-0123456789abcdef"
VIEWER = "tipstaff-viewer-0123456789abcdef"
PROXIES = "tipstaff-proxy-0123456789abcdef"

SECRETS = {
    "tipstaff-unit-key": {"key": KEY},
    "tipstaff-tokens": {"ada": OPERATOR, "prometheus": VIEWER, "proxies": PROXIES},
    "tipstaff-prometheus": {"token": VIEWER},
    "tipstaff-postgres": {"password": "postgres-0123456789abcdef"},
    "tipstaff-canary": {"token": PROXIES},
    "vllm-keys": {"stable": "sk-stable", "canary": "sk-canary"},
}
