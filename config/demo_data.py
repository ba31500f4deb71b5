"""Names and problems of the demonstration company, a shop that sells bicycles."""

DOMAIN = "@velocity.example"

# name, role, time zone
PEOPLE = [
    ("Amara Okafor", "responder", "Europe/London"),
    ("Ben Larsen", "responder", "Europe/Copenhagen"),
    ("Chiara Ricci", "responder", "Europe/Rome"),
    ("Dmitri Volkov", "responder", "Europe/Berlin"),
    ("Elena Petrova", "responder", "Europe/Berlin"),
    ("Farid Haddad", "responder", "America/New_York"),
    ("Grace Kim", "responder", "America/Los_Angeles"),
    ("Hiro Tanaka", "responder", "Asia/Tokyo"),
    ("Ines Moreau", "user", "Europe/Paris"),
    ("Jonas Weber", "user", "Europe/Vienna"),
]

# what it does, and its members; the first is the lead
TEAMS = {
    "Platform": (
        "Clusters, databases, networks.",
        ["Dmitri Volkov", "Elena Petrova", "Hiro Tanaka"],
    ),
    "Payments": (
        "Everything between the cart and the bank.",
        ["Amara Okafor", "Farid Haddad", "Chiara Ricci"],
    ),
    "Storefront": (
        "What customers see.",
        ["Ben Larsen", "Grace Kim", "Ines Moreau", "Jonas Weber"],
    ),
}
ZONES = {
    "Platform": "Europe/Berlin",
    "Payments": "Europe/London",
    "Storefront": "Europe/Copenhagen",
}

# team, description, kind of its integration
SERVICES = {
    "Checkout": ("Payments", "Takes the money.", "prometheus"),
    "Ledger": ("Payments", "Books every payment, once.", "events"),
    "Web shop": ("Storefront", "The shop's pages.", "prometheus"),
    "Search": ("Storefront", "Finds the right bicycle.", "webhook"),
    "PostgreSQL": ("Platform", "The databases of all teams.", "pagerduty"),
    "Kubernetes": ("Platform", "Where everything runs.", "prometheus"),
}

URGENCY = {"critical": "high", "error": "medium", "warning": "medium", "info": "low"}

# service, title, severity
PROBLEMS = [
    ("Checkout", "Card payments fail for 4% of customers", "critical"),
    ("Checkout", "Payment provider answers slowly (p95 6.2 s)", "error"),
    ("Checkout", "Webhook queue of the payment provider is growing", "warning"),
    ("Ledger", "Nightly reconciliation differs by 3 bookings", "error"),
    ("Ledger", "Export to accounting did not arrive", "warning"),
    ("Web shop", "Error rate above 2% on /cart", "critical"),
    ("Web shop", "Largest contentful paint above 4 s on phones", "warning"),
    ("Web shop", "Certificate of shop.velocity.example expires in 7 days", "info"),
    ("Search", "Index is 45 minutes behind", "warning"),
    ("Search", "Search answers 503", "critical"),
    ("PostgreSQL", "Replica db-2 is 90 s behind", "warning"),
    ("PostgreSQL", "Disk of db-1 is 92% full", "error"),
    ("PostgreSQL", "Connections of orders at 95% of the limit", "critical"),
    ("Kubernetes", "Node worker-7 is not ready", "error"),
    ("Kubernetes", "Pods of cart-api restart in a loop", "critical"),
    ("Kubernetes", "Image registry answers slowly", "info"),
]

NOTES = [
    "Rolled back the last deployment; error rate is back to normal.",
    "Provider confirmed an outage on their side, status page updated.",
    "Vacuumed and moved old partitions away. Ticket for a larger disk is open.",
    "Scaled out by two replicas. Looking for the query that started it.",
    "False alarm of the probe in Frankfurt; threshold raised.",
]

# service, summary, hours ago
CHANGES = [
    ("Checkout", "Payments 3.18.0 was deployed", 1.5),
    ("Checkout", "Flag pay_by_link was switched on", 20.0),
    ("Search", "Index settings were changed", 3.0),
    ("Web shop", "Web shop 2026.47.2 was deployed", 5.0),
    ("Kubernetes", "Nodes were updated to 1.34.2", 30.0),
]

# service, title, urgency: opened by the demo itself, so they escalate for real
HAPPENING_NOW = [
    ("Checkout", "Card payments fail for 4% of customers", "high"),
    ("Search", "Index is 45 minutes behind", "medium"),
]
