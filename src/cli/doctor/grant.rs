//! How to grant what an app lacks: in words, and as commands to run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::TenantId;
use crate::settings::Cloud;
use crate::tenant::Audience;

/// Who is to be granted something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grantee {
    /// An app that acts by itself: application permissions.
    App,
    /// An identity of the platform: it is assigned roles, it does not ask for them.
    Managed,
    /// An app that a person signs in to: delegated permissions.
    Person,
}

impl Grantee {
    /// What the portal calls it.
    const fn permissions(self) -> &'static str {
        match self {
            Self::App | Self::Managed => "Application permissions",
            Self::Person => "Delegated permissions",
        }
    }

    /// What a role is called among these: those of the Defender APIs are delegated without `.All`.
    fn name(self, api: Audience, role: &'static str) -> &'static str {
        match (self, api) {
            (Self::Person, Audience::Mde | Audience::Xdr) => role.strip_suffix(".All").unwrap_or(role),
            (Self::Person, Audience::Graph) | (Self::App | Self::Managed, _) => role,
        }
    }
}

/// Roles to grant to an app in a tenant.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) tenant: TenantId,
    pub(super) app: String,
    pub(super) cloud: Cloud,
    pub(super) to: Grantee,
    pub(super) roles: BTreeMap<Audience, BTreeSet<&'static str>>,
}

impl Grant {
    /// Commands of the Azure CLI, for a shell.
    pub(super) fn azure_cli(&self) -> String {
        let cloud = match self.cloud {
            Cloud::Commercial | Cloud::Gcc | Cloud::China => "",
            Cloud::GccHigh | Cloud::Dod => "az cloud set --name AzureUSGovernment\n",
        };
        let (list, kind) = match self.to {
            Grantee::Managed => return self.azure_cli_assigning(cloud),
            Grantee::App => {
                ("appRoles[?value=='$role' && contains(allowedMemberTypes, 'Application')]", "Role")
            }
            Grantee::Person => ("oauth2PermissionScopes[?value=='$role']", "Scope"),
        };
        let mut text = format!(
            "{cloud}az login --tenant {} --allow-no-subscriptions\n\
             app={}\n\
             grant() {{\n  api=$1; shift\n  for role in \"$@\"; do\n    \
             id=$(az ad sp show --id \"$api\" --output tsv --query \\\n      \
             \"{list}.id\")\n    \
             az ad app permission add --id \"$app\" --api \"$api\" --api-permissions \"$id={kind}\"\n  done\n}}\n",
            shell(self.tenant.as_str()),
            shell(&self.app),
        );
        self.grant_each(&mut text);
        text.push_str("az ad app permission admin-consent --id \"$app\"\n");
        text
    }

    /// The same for an identity of the platform.
    fn azure_cli_assigning(&self, cloud: &str) -> String {
        let graph = match self.cloud {
            Cloud::Commercial | Cloud::Gcc | Cloud::China => "https://graph.microsoft.com",
            Cloud::GccHigh => "https://graph.microsoft.us",
            Cloud::Dod => "https://dod-graph.microsoft.us",
        };
        let mut text = format!(
            "{cloud}az login --tenant {} --allow-no-subscriptions\n\
             app={}\n\
             own=$(az ad sp show --id \"$app\" --output tsv --query id)\n\
             grant() {{\n  api=$1; shift\n  at=$(az ad sp show --id \"$api\" --output tsv --query id)\n  \
             for role in \"$@\"; do\n    \
             id=$(az ad sp show --id \"$api\" --output tsv --query \\\n      \
             \"appRoles[?value=='$role' && contains(allowedMemberTypes, 'Application')].id\")\n    \
             az rest --method POST --url \"{graph}/v1.0/servicePrincipals/$own/appRoleAssignments\" \\\n      \
             --body \"{{\\\"principalId\\\": \\\"$own\\\", \\\"resourceId\\\": \\\"$at\\\", \\\"appRoleId\\\": \\\"$id\\\"}}\"\n  \
             done\n}}\n",
            shell(self.tenant.as_str()),
            shell(&self.app),
        );
        self.grant_each(&mut text);
        text
    }

    fn grant_each(&self, text: &mut String) {
        for (api, roles) in &self.roles {
            let roles: Vec<String> = roles.iter().map(|role| shell(self.to.name(*api, role))).collect();
            let (id, name) = (shell(api.app_id()), api.portal_name());
            let _infallible = writeln!(text, "grant {id} {}   # {name}", roles.join(" "));
        }
    }

    /// Commands of Microsoft Graph PowerShell.
    pub(super) fn powershell(&self) -> String {
        let environment = match self.cloud {
            Cloud::Commercial | Cloud::Gcc | Cloud::China => "",
            Cloud::GccHigh => " -Environment USGov",
            Cloud::Dod => " -Environment USGovDoD",
        };
        let right = match self.to {
            Grantee::App | Grantee::Managed => "AppRoleAssignment.ReadWrite.All",
            Grantee::Person => "DelegatedPermissionGrant.ReadWrite.All",
        };
        let mut text = format!(
            "Connect-MgGraph -TenantId {}{environment} -Scopes 'Application.Read.All', '{right}'\n\
             $app = Get-MgServicePrincipal -Filter {}\n",
            quoted(self.tenant.as_str()),
            quoted(&format!("appId eq '{}'", self.app)),
        );
        for (api, roles) in &self.roles {
            let api_is = quoted(&format!("appId eq '{}'", api.app_id()));
            let _infallible =
                writeln!(text, "$api = Get-MgServicePrincipal -Filter {api_is}   # {}", api.portal_name());
            if self.to == Grantee::Person {
                let scopes: Vec<&str> = roles.iter().map(|role| self.to.name(*api, role)).collect();
                let _infallible = writeln!(
                    text,
                    "New-MgOauth2PermissionGrant -ClientId $app.Id -ConsentType AllPrincipals -ResourceId $api.Id -Scope {}",
                    quoted(&scopes.join(" ")),
                );
                continue;
            }
            let roles: Vec<String> = roles.iter().map(|role| quoted(role)).collect();
            let _infallible = write!(
                text,
                "foreach ($name in {}) {{\n  \
                 $role = $api.AppRoles | Where-Object {{ $_.Value -eq $name -and $_.AllowedMemberTypes -contains 'Application' }}\n  \
                 New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $app.Id -PrincipalId $app.Id -ResourceId $api.Id -AppRoleId $role.Id\n}}\n",
                roles.join(", "),
            );
        }
        text
    }

    /// For people.
    pub(super) fn text(&self, name: &str) -> String {
        let mut text = if self.to == Grantee::Managed {
            format!("To assign to the managed identity {} in tenant `{name}`, by commands only:\n", self.app)
        } else {
            format!(
                "To grant in tenant `{name}`: App registrations, the app {}, API permissions, Add a permission,\n\
                 {}; then Grant admin consent:\n",
                self.app,
                self.to.permissions()
            )
        };
        for (api, roles) in &self.roles {
            let roles: Vec<&str> = roles.iter().map(|role| self.to.name(*api, role)).collect();
            let where_to_look = match api {
                Audience::Graph => "Microsoft APIs",
                Audience::Mde | Audience::Xdr => "APIs my organization uses",
            };
            let _infallible =
                writeln!(text, "  {} (under {where_to_look}): {}", api.portal_name(), roles.join(", "));
        }
        let _infallible = write!(
            text,
            "\nThe same with the Azure CLI:\n\n{}\nOr with Microsoft Graph PowerShell:\n\n{}",
            self.azure_cli(),
            self.powershell()
        );
        text
    }

    /// For machines.
    pub(super) fn json(&self) -> Value {
        let roles: Vec<Value> = self
            .roles
            .iter()
            .map(|(api, roles)| {
                let roles: Vec<&str> = roles.iter().map(|role| self.to.name(*api, role)).collect();
                json!({"api": api.portal_name(), "appId": api.app_id(), "roles": roles})
            })
            .collect();
        json!({"permissions": self.to.permissions(), "roles": roles, "azureCli": self.azure_cli(), "powershell": self.powershell()})
    }
}

/// One word of a shell, whatever is in it.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// One literal of PowerShell, whatever is in it. It takes typographic quotes for quotes, too.
fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for character in text.chars() {
        if matches!(character, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            out.push(character);
        }
        out.push(character);
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_ends_its_quotes() {
        assert_eq!(shell("a'; rm -rf ~; '"), r"'a'\''; rm -rf ~; '\'''");
        assert_eq!(quoted("a'$(x)\u{2019}"), "'a''$(x)\u{2019}\u{2019}'");
    }
}
