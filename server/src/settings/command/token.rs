//! The command `token`: prints a signed token.

use clap::{Arg, ArgMatches, Command};
use stentor_core::config::Unit;
use stentor_gateway::token::{Algorithm, Subscriber, TokenBuilder};

use super::usage;
use crate::settings::error::SettingsError;
use crate::settings::gateway::Signing;
use crate::settings::value::Bounds;

pub(super) fn command(name: &'static str) -> Command {
    let arg = |name: &'static str, value: &'static str, help: String| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let user = "The user; an empty one is anonymous".into();
    let channel =
        "The channel of a subscription token; without it, it is a connection token".into();
    let ttl = "How long the token is valid; 0s = without end [default: 1h]".into();
    let info = "What other clients see of the user, as JSON".into();
    let audience = "The audience, if it is not the one of the settings".into();
    let issuer = "The issuer, if it is not the one of the settings".into();
    let algorithm = "The algorithm [default: HS256]".into();
    Command::new(name)
        .about("Prints a token that is signed with the key of the settings")
        .arg(arg("user", "USER", user).required(true))
        .arg(arg("channel", "CHANNEL", channel))
        .arg(arg("ttl", "TIME", ttl))
        .arg(arg("info", "JSON", info))
        .arg(arg("audience", "TEXT", audience))
        .arg(arg("issuer", "TEXT", issuer))
        .arg(arg("algorithm", "HS256|HS384|HS512", algorithm))
}

const TTL: Bounds = Bounds::new(Unit::Milliseconds, 0, 3_600_000, 100 * 8_760 * 3_600_000);

/// Returns a token and a line break.
pub(super) fn create(
    matches: &ArgMatches,
    signing: &Signing,
    now: u64,
) -> Result<String, SettingsError> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let wrong = |name: &str, allowed: &str| {
        let value = text(name).unwrap_or_default();
        usage(&format!(
            "--{name}: `{value}` is not allowed; it takes {allowed}"
        ))
    };
    let channel = text("channel");
    let (section, settings) = match &signing.subscription {
        Some(settings) if channel.is_some() => ("client.subscription_token", settings),
        _ => ("client.token", &signing.connection),
    };
    let Some((key, verifier)) = settings.key.as_ref().zip(settings.verifier.as_ref()) else {
        return Err(usage(&format!(
            "there is no key to sign a token with: set `{section}.hmac_secret_key`"
        )));
    };
    let algorithm = match text("algorithm") {
        None => Algorithm::Hs256,
        Some(name) => [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(|| wrong("algorithm", "HS256, HS384 or HS512"))?,
    };
    let ttl = match text("ttl") {
        None => TTL.default,
        Some(given) => Some(
            TTL.parse(given)
                .ok_or_else(|| wrong("ttl", &TTL.allowed()))?,
        ),
    };

    let user = text("user").unwrap_or_default();
    let mut token = TokenBuilder::new().issued_at(now);
    token = match settings.user_claim.as_str() {
        _ if user.is_empty() => token,
        "" => token.user(user),
        claim => token.user_in(claim, user),
    };
    if let Some(channel) = channel {
        token = token.channel(channel);
    }
    if let Some(ttl) = ttl.filter(|ttl| *ttl > 0) {
        token = token.expires_at(now + ttl.div_ceil(1_000));
    }
    if let Some(info) = text("info") {
        token = token.info(info).map_err(|_| wrong("info", "JSON"))?;
    }
    match text("audience").unwrap_or(&settings.audience) {
        "" => {}
        audience => token = token.audience(audience),
    }
    match text("issuer").unwrap_or(&settings.issuer) {
        "" => {}
        issuer => token = token.issuer(issuer),
    }
    let signed = token.sign(key, algorithm);
    let signed = signed.map_err(|error| usage(&error.to_string()))?;

    let mut buffer = Vec::new();
    let verified = match channel {
        None => verifier
            .verify_connection(&signed, now, &mut buffer)
            .map(|_| ()),
        Some(channel) => {
            let subscriber = Subscriber {
                channel,
                user,
                client: "",
            };
            verifier
                .verify_subscription(&signed, now, subscriber, &mut buffer)
                .map(|_| ())
        }
    };
    verified.map_err(|error| usage(&format!("the server would refuse this token: {error}")))?;
    Ok(signed + "\n")
}
