"""Users and teams."""

import zoneinfo
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac


def validate_time_zone(value: str) -> None:
    """Accept IANA names only, such as `Europe/Vienna`."""
    if value not in zoneinfo.available_timezones():
        raise ValidationError("Use a name of the IANA time zone list, such as Europe/Vienna.")


class UserManager(BaseUserManager["User"]):
    """Creates users; the e-mail address is the name to sign in with."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user; without a password nobody can sign in as this user yet."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an active administrator (Django's `createsuperuser`)."""
        fields = {"role": User.Role.ADMIN, "status": User.Status.ACTIVE} | fields
        return self.create_user(email, password, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        """Find by address, whatever its case."""
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser):
    """A person who can be on call, be paged, and sign in."""

    class Role(models.TextChoices):
        ADMIN = "admin", "Administrator"
        RESPONDER = "responder", "Responder"
        USER = "user", "User"

    class Status(models.TextChoices):
        INVITED = "invited", "Invited"
        ACTIVE = "active", "Active"
        DISABLED = "disabled", "Disabled"

    email = models.EmailField("e-mail", unique=True)
    name = models.CharField(max_length=200)
    role = models.CharField(max_length=16, choices=Role, default=Role.USER)
    status = models.CharField(max_length=16, choices=Status, default=Status.INVITED)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    # Part of every session's hash: raising it signs the user out everywhere.
    session_epoch = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        ordering = ("name", "id")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="user_email_is_lower_case"
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=["admin", "responder", "user"]), name="user_role"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["invited", "active", "disabled"]), name="user_status"
            ),
        )

    def __str__(self) -> str:
        return self.name or self.email

    def clean(self) -> None:
        """Lower-case the address, as the database demands."""
        self.email = self.email.strip().lower()

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Only active users may sign in or be paged."""
        return self.status == self.Status.ACTIVE

    @property
    def is_admin(self) -> bool:
        return self.is_active and self.role == self.Role.ADMIN

    @property
    def is_responder(self) -> bool:
        """Responders and administrators may act on every incident they can see."""
        return self.is_active and self.role in (self.Role.ADMIN, self.Role.RESPONDER)

    @property
    def is_staff(self) -> bool:
        """May open Django's admin."""
        return self.is_admin

    @property
    def is_superuser(self) -> bool:
        return self.is_admin

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Django admin's question; administrators may configure everything."""
        return self.is_admin

    def has_perms(self, perm_list: list[str], obj: object = None) -> bool:
        return self.is_admin

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_admin

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name.split(" ")[0]

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Django's hash of the session, with the epoch mixed in."""
        return salted_hmac(
            "opsknight.session",
            f"{self.password}:{self.session_epoch}",
            secret=secret,
            algorithm="sha256",
        ).hexdigest()


class Team(models.Model):
    """People who own services together."""

    name = models.CharField(max_length=200, unique=True)
    description = models.TextField(blank=True)
    lead = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="led_teams"
    )
    members: "models.ManyToManyField[User, TeamMember]" = models.ManyToManyField(
        User, through="TeamMember", related_name="teams"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class TeamMember(models.Model):
    """One person's membership of one team."""

    class Role(models.TextChoices):
        OWNER = "owner", "Owner"
        ADMIN = "admin", "Administrator"
        MEMBER = "member", "Member"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role, default=Role.MEMBER)
    receives_pages = models.BooleanField(
        default=True, help_text="Paged when an escalation step names the team."
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["team", "user"], name="team_member_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=["owner", "admin", "member"]), name="team_member_role"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"
