//! Delivers messages to people: e-mail, Teams, Slack, webhook.
