"""`make demo`."""

import pytest
from django.core.management import CommandError, call_command

from incidents.models import Incident, Service


@pytest.mark.django_db
def test_the_demo_loads_once_and_pages_nobody_about_the_past():
    call_command("load_demo")

    assert Service.objects.count() == 6
    assert Incident.objects.count() > 100
    assert Incident.objects.filter(escalate_at__isnull=False).count() == 2
    with pytest.raises(CommandError, match="already"):
        call_command("load_demo")
